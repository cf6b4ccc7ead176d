"""The note for Anthropic's bill, where Anthropic's dialect passes through to another server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.anthropic.billing import without_billing_note
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import edit, parse
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.servers import Server, is_anthropics

NOTE = "x-anthropic-billing-header: cc_version=2.1.197.e03; cc_entrypoint=cli; cch=1;"
BOX = Server("box", urls.parse("http://box:8000"), dialect="anthropic")
A = {"type": "text", "text": "A.", "cache_control": {"type": "ephemeral"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def call_of(body: dict[str, Any], path: str = "/v1/messages") -> Call:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    written = json.dumps(body, indent=1)
    parsed, spans = parse(written)
    return Call(endpoint=endpoint, body=parsed, text=written, spans=spans, query="", model="m", stream=False)


def rendered(body: dict[str, Any], server: Server = BOX, path: str = "/v1/messages") -> Rendered:
    return render(call_of(body, path), Candidate(server, ""), ServerProfile(server.dialect), Stamp("", 0.0, "m"))


@pytest.mark.parametrize(
    ("system", "left"),
    [
        ([text(NOTE), A], [A]),
        ([A, text(NOTE), text("B.")], [A, text("B.")]),
        ([text(f"{NOTE}\nB."), A], [text("B."), A]),
        (f"{NOTE}\nA.", "A."),
        ([text(NOTE)], None),
        (NOTE, None),
        ("A.", "A."),
        (f"A. {NOTE}", f"A. {NOTE}"),
        ([text(f"A. {NOTE}"), {"type": "text"}, None, "x"], [text(f"A. {NOTE}"), {"type": "text"}, None, "x"]),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_the_note_goes_and_nothing_else(system: Any, left: Any, path: str) -> None:
    """The line itself, wherever it stands in the system prompt; all other bytes stay, and the trace tells it."""
    said = [{"role": "user", "content": [text(NOTE)]}]  # a user who writes the same words wrote them
    body = {"model": "m", "system": system, "messages": said, "max_tokens": 9}
    out = rendered(body, path=path)
    expected = {key: value for key, value in {**body, "system": left}.items() if value is not None}
    assert json.loads(out.content) == expected
    assert bool(out.trace_lines("box/m")) is out.edited is (system != left)
    if system == left:
        assert out.content == call_of(body).text
    else:
        (line,) = out.trace_lines("box/m")
        assert "For box/m: system.x-anthropic-billing-header was dropped" in line.detail
    without = edit(call_of({**body, "system": "A."}).text, {("system",): "A."})
    assert out.content.endswith(without[without.index('"messages"') :])


@pytest.mark.parametrize(
    ("url", "preset", "own"),
    [
        ("https://api.anthropic.com", "", True),
        ("https://API.Anthropic.com./v1", "", True),
        ("http://gateway:8080", "anthropic", True),
        ("https://anthropic.example.com", "", False),
        ("https://api.anthropic.com.example.com", "", False),
        ("https://notanthropic.com", "", False),
        ("https://openrouter.ai/api", "openrouter", False),
        ("http://localhost:11434", "", False),
    ],
)
def test_anthropics_own_servers_get_it(url: str, preset: str, own: bool) -> None:
    """By the host, or where the rules say by the preset that a server stands for them."""
    server = Server("s", urls.parse(url), dialect="anthropic", preset=preset)
    assert is_anthropics(server) is own
    body = {"model": "m", "system": [text(NOTE), A], "messages": [], "max_tokens": 9}
    assert (NOTE in rendered(body, server).content) is own


def test_other_dialects_are_left_alone() -> None:
    """The words mean nothing there."""
    body = {"model": "m", "messages": [{"role": "system", "content": NOTE}], "system": NOTE}
    assert without_billing_note(call_of(body, "/v1/chat/completions"), BOX) == {}
