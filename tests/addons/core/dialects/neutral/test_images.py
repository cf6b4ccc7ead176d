"""Pictures: data URLs taken apart and put together, and the type that base64 data begins like."""

from __future__ import annotations

import json

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Image, Stamp
from switchman.addons.core.dialects.neutral.images import from_url, media_type, to_url, typed
from switchman.addons.core.dialects.translate import translate_request
from switchman.addons.core.request.call import DialectName


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param("iVBORw0KGgoAAAA", "image/png", id="png"),
        pytest.param("/9j/4AAQ", "image/jpeg", id="jpeg"),
        pytest.param("R0lGODlh", "image/gif", id="gif"),
        pytest.param("UklGRiQA", "image/webp", id="webp"),
        pytest.param("Qk0AAA", "image/bmp", id="bmp"),
        pytest.param("AAAA", "image/png", id="unknown"),
        pytest.param("", "image/png", id="nothing"),
    ],
)
def test_the_first_characters_tell_the_type(data: str, kind: str) -> None:
    """Ollama sends base64 without a type, and Anthropic asks for one."""
    assert media_type(data) == kind


PNG, JPEG = "iVBORw0KGgoAAAA", "/9j/4AAQ"


@pytest.mark.parametrize(
    ("data", "given", "kind"),
    [
        pytest.param(JPEG, "image/jpg", "image/jpeg", id="after-the-files-ending"),
        pytest.param(PNG, "application/octet-stream", "image/png", id="octets"),
        pytest.param(PNG, "image/jpeg", "image/png", id="a-wrong-one"),
        pytest.param(PNG, "image/png; charset=x", "image/png", id="a-parameter"),
        pytest.param(f"\n{PNG}", "", "image/png", id="a-blank-before-it"),
        pytest.param("AAAA", "image/jpg", "image/jpeg", id="unknown-bytes-and-what-was-meant"),
        pytest.param("AAAA", "IMAGE/AVIF", "image/avif", id="unknown-bytes-and-a-type"),
        pytest.param("AAAA", "application/octet-stream", "image/png", id="unknown-bytes-and-no-picture"),
    ],
)
def test_the_bytes_say_more_than_the_name(data: str, given: str, kind: str) -> None:
    """Anthropic refuses a picture under another type than that of its bytes."""
    assert typed(Image(data, given)) == Image(data, kind)
    assert typed(Image(url="http://x/a")) == Image(url="http://x/a")


@pytest.mark.parametrize("server", ["openai", "anthropic"])
def test_every_client_may_give_a_picture_a_wrong_name(server: DialectName) -> None:
    """In a message and in a tool's result; the server gets the right one."""
    url = {"url": f"data:image/jpg;base64,{PNG}"}
    source = {"type": "base64", "media_type": "image/jpg", "data": PNG}
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": source}]}
    asked = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]},
        "/v1/responses": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url["url"]}]}]},
        "/api/chat": {"messages": [{"role": "user", "content": "", "images": [PNG]}]},
        "/v1/messages": {"messages": [use, {"role": "user", "content": [{"type": "image", "source": source}, result]}]},
    }
    del asked["/v1/messages" if server == "anthropic" else "/v1/chat/completions"]  # these pass as they are
    for path, body in asked.items():
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        text = json.dumps(translate_request(endpoint, {"model": "m", **body}, server, Stamp("x", 0.0, "m")).body)
        assert "image/jpg" not in text and "image/png" in text, path


@pytest.mark.parametrize(
    ("url", "image"),
    [
        pytest.param("data:image/png;base64,AA==", Image("AA==", "image/png"), id="png"),
        pytest.param("data:;base64,/9j/", Image("/9j/"), id="no-type"),
        pytest.param("data:image/png;base64,", Image("", "image/png"), id="no-data"),
        pytest.param("data:image/png;x=y;base64,AA", Image("AA", "image/png;x=y"), id="a-parameter"),
        pytest.param("https://e.org/a,b.png", Image(url="https://e.org/a,b.png"), id="an-address-with-a-comma"),
        pytest.param("data:image/svg+xml,<svg/>", Image(url="data:image/svg+xml,<svg/>"), id="not-base64"),
        pytest.param("data:image/png;base64", Image(url="data:image/png;base64"), id="no-comma"),
        pytest.param("", Image(), id="nothing"),
    ],
)
def test_a_data_url_is_taken_apart(url: str, image: Image) -> None:
    """RFC 2397 with base64; any other address is kept as it is."""
    assert from_url(url) == image


@pytest.mark.parametrize(
    ("image", "url"),
    [
        pytest.param(Image("AA==", "image/gif"), "data:image/gif;base64,AA==", id="its-own-type"),
        pytest.param(Image("/9j/"), "data:image/jpeg;base64,/9j/", id="the-type-it-begins-like"),
        pytest.param(Image(url="http://x/a"), "http://x/a", id="its-own-address"),
    ],
)
def test_a_picture_becomes_an_url(image: Image, url: str) -> None:
    """Its own, or a data URL, that is read as the same picture again."""
    assert to_url(image) == url
    assert to_url(from_url(url)) == url
