import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.fences import FenceFilter


def run(parts: list[str], limit: int = 1 << 20) -> str:
    made = FenceFilter(limit)
    return "".join([made.feed(part)[0] for part in parts] + [made.end()[0]])


def text_splits(text: str) -> list[list[str]]:
    return [[text], list(text), *([text[:at], text[at:]] for at in range(1, len(text)))]


FENCED: list[tuple[str, str]] = [
    ('```json\n{"a": 1}\n```', '{"a": 1}'),
    ('```json\n{"a": 1}\n```\n', '{"a": 1}'),
    ('\n ```json\n{"a": 1}\n``` \n\n', '{"a": 1}'),
    ('```JSON  \r\n{"a": 1}\r\n```\r\n', '{"a": 1}'),
    ('```jsonc\n// note\n{"a":  "two  spaces\\n```"}\n\n```', '// note\n{"a":  "two  spaces\\n```"}\n'),
    ("```json5\n{a: 1}\n```", "{a: 1}"),
    ('```\n\n  {"a": "é🚀"}\n```', '\n  {"a": "é🚀"}'),
    ("```\n[1,\n 2]\n  ```", "[1,\n 2]"),
    ('````json\n{"a": "\n```\n"}\n````', '{"a": "\n```\n"}'),
    ("```json\n1\n`````", "1"),
    ('``` json\n"x"\n```', '"x"'),
]

NOT_ONE_FENCE: list[str] = [
    "",
    " \n",
    "plain",
    "``",
    "```",
    "```json",
    "```json\n",
    "```json\n{}",
    "```json\n{}```",
    "```json\n```",
    "```\n```",
    '```json {"a": 1} ```',
    "```python\nprint()\n```",
    "```jsonx\n{}\n```",
    "```\nprint()\n```",
    "```\n\n",
    "Here:\n```json\n{}\n```",
    "```json\n{}\n```\nThat is it.",
    "```json\n{}\n```\n```json\n{}\n```",
    "```json\n{}\n```json\n{}\n```",
    "~~~json\n{}\n~~~",
    "``json\n{}\n``",
    "```json" + " " * 80 + "\n{}\n```",
    "````json\n{}\n```",
    "{}",
]


@pytest.mark.parametrize(("text", "content"), FENCED)
def test_one_fence_becomes_its_content(text: str, content: str) -> None:
    """The content comes out verbatim, however the reply is cut."""
    for parts in text_splits(text):
        assert run(parts) == content


@pytest.mark.parametrize("text", NOT_ONE_FENCE)
def test_anything_else_is_left_alone(text: str) -> None:
    """A reply that is not one whole JSON fence comes out to the byte, however it is cut."""
    for parts in text_splits(text):
        assert run(parts) == text


def test_text_is_held_only_while_it_may_be_one_fence() -> None:
    """The first character that rules a fence out sets everything free."""
    made = FenceFilter()
    assert [made.feed(part)[0] for part in ("\n", "`", "``js", "o", "x", "y")] == ["", "", "", "", "\n```jsox", "y"]
    assert made.idle
    made = FenceFilter()
    assert [made.feed(part)[0] for part in ("H", "i")] == ["H", "i"]
    made = FenceFilter()
    assert [made.feed(part)[0] for part in ("```\n", " ", "x")] == ["", "", "```\n x"]
    made = FenceFilter()
    assert [made.feed(part)[0] for part in ("```json\n{}\n```", "\n", "B")] == ["", "", "```json\n{}\n```\nB"]


def test_a_reply_above_the_limit_is_not_held() -> None:
    """Memory is bounded: beyond the limit the reply passes as it came, at any split."""
    text = "```json\n[1234567890]\n```"
    for parts in text_splits(text):
        assert run(parts, limit=len(text)) == "[1234567890]"
        assert run(parts, limit=len(text) - 1) == text


def test_a_broken_off_reply_is_given_back_as_it_came() -> None:
    """abort() does not unwrap, even if the fence was closed."""
    made = FenceFilter()
    made.feed("```json\n{}\n```")
    assert made.abort() == ("```json\n{}\n```", "")


@given(
    pieces=st.lists(st.sampled_from(["```", "`", "json", "\n", "\r\n", " ", "{}", "x", "[1]", "````"]), max_size=12),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    limit=st.sampled_from([5, 20, 1 << 20]),
)
@settings(max_examples=100, deadline=None)
def test_no_split_changes_the_output(pieces: list[str], cuts: list[int], limit: int) -> None:
    """Every chunking gives one output, which is the reply or a part of it."""
    text = "".join(pieces)
    marks = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole = run([text], limit)
    assert run([text[a:b] for a, b in pairwise(marks)], limit) == whole
    assert run(list(text), limit) == whole
    assert whole in text


@pytest.mark.parametrize("begin", ["", "```json\n", "```\n", "```json\n{}\n```\n"])
@pytest.mark.parametrize("text", ["`", " ", "\n", "\n```", "\n`", "x"])
def test_hostile_text_costs_linear_time(begin: str, text: str) -> None:
    """Floods of blanks, lines and backticks take a moment, in one piece and in many."""
    whole = begin + text * (200_000 // len(text))
    began = time.process_time()
    assert run([whole]) == run([whole[at : at + 2] for at in range(0, len(whole), 2)])
    assert time.process_time() - began < 60
