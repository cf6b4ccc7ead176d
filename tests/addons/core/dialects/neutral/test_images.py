"""Pictures: data URLs taken apart and put together, and the type that base64 data begins like."""

from __future__ import annotations

import pytest

from switchman.addons.core.dialects.neutral.form import Image
from switchman.addons.core.dialects.neutral.images import from_url, media_type, to_url


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
