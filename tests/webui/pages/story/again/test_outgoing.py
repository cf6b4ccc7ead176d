"""A recorded request as it goes out once more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.store.reading.found import BodyInfo, Content, Detail, LeftOut, RequestRow
from switchman.webui.pages.story.again.outgoing import MOST_EDITED, NotSent, outgoing, problem_of, text_of

BLANK = dict.fromkeys(RequestRow.__dataclass_fields__)
NONE = LeftOut(0, 0)
KEPT = BodyInfo("kept", 2, False)
BODY = b'{"model": "auto",\r\n "x": 1}'


def detail(headers: Any = (("content-type", "application/json"),), **values: Any) -> Detail:
    row = RequestRow(**{**BLANK, "id": "one", "method": "POST", "path": "/v1/chat/completions", **values})
    return Detail(row, headers, (), (), (), KEPT, KEPT, NONE, NONE)


def test_it_goes_out_as_it_came_and_past_the_caches() -> None:
    """To the byte; with the word for the caches, unless a kept answer will do."""
    out = outgoing(detail(), BODY, None, "", cached=False)
    assert (out.method, out.path, out.body) == ("POST", "/v1/chat/completions", BODY)
    assert out.fields == (("content-type", "application/json"), ("x-switchman-cache", "bypass"))
    assert outgoing(detail(), BODY, None, "", cached=True).fields == (("content-type", "application/json"),)


def test_another_target_changes_the_model_and_nothing_else() -> None:
    """Whatever the body looks like; a name is text, whatever is in it."""
    assert outgoing(detail(), BODY, None, "box/m", cached=False).body == BODY.replace(b'"auto"', b'"box/m"')
    odd = 'x", "admin": "yes'
    assert json.loads(outgoing(detail(), BODY, None, odd, cached=False).body) == {"model": odd, "x": 1}
    assert json.loads(outgoing(detail(), b"{}", None, "m", cached=False).body) == {"model": "m"}
    for body in (b"not JSON", b"[]", b"\x00\xff", b"--b\r\nform"):
        with pytest.raises(NotSent, match="names no model"):
            outgoing(detail(), body, None, "m", cached=False)


def test_an_edited_body_is_sent_as_it_was_typed() -> None:
    """A form writes CR LF; a body that nobody touched keeps its own line ends."""
    assert outgoing(detail(), BODY, BODY.decode(), "", cached=False).body == BODY
    assert outgoing(detail(), b'{"a":\n1}', '{"a":\r\n1}', "", cached=False).body == b'{"a":\n1}'
    assert outgoing(detail(), BODY, '{"model":\r\n"b"}', "", cached=False).body == b'{"model":\n"b"}'
    assert outgoing(detail(), BODY, '{"model": "b"}', "c", cached=False).body == b'{"model": "c"}'


def test_a_key_in_the_query_stays_behind() -> None:
    """It is masked there, and would be none."""
    assert outgoing(detail(path="/v1/x?key=sk-1&a=b"), BODY, None, "", cached=False).path == "/v1/x?a=b"


@pytest.mark.parametrize("path", ["@evil.example/x", "http://evil.example/x", "evil", ""])
def test_no_other_host_can_be_named(path: str) -> None:
    """A path that is none of the router's is not sent."""
    assert problem_of(detail(path=path), Content(BODY, KEPT)) is not None


@pytest.mark.parametrize(
    ("values", "info", "why"),
    [
        ({}, KEPT, None),
        ({}, BodyInfo("none", 0, False), None),
        ({"method": "GET"}, KEPT, "posted"),
        ({"method": "DELETE"}, KEPT, "posted"),
        ({}, BodyInfo("gone", 5, False), "not kept"),
        ({}, BodyInfo("uncaptured", 5, False), "not kept"),
        ({}, BodyInfo("hidden", 5, False), "not kept"),
        ({}, BodyInfo("kept", 5, True), "beginning"),
    ],
)
def test_what_cannot_be_sent_says_why(values: dict[str, Any], info: BodyInfo, why: str | None) -> None:
    """What was not posted, and what is not kept whole."""
    found = problem_of(detail(**values), Content(None, info))
    assert found is None if why is None else why in str(found)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ((("content-encoding", "gzip"),), BODY),
        ((), b"\xff"),
        ((), b"\0"),
        ((), b"x" * (MOST_EDITED + 1)),
        ((), b'{"api_key": "sk-0123456789abcdef"}'),
    ],
)
def test_what_is_no_plain_text_is_not_offered_to_be_edited(headers: Any, body: bytes) -> None:
    """A credential would be masked on the page, and the mask be sent."""
    assert text_of(detail(headers), body) is None
    assert text_of(detail(), BODY) == BODY.decode()
