import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.slots import Slot
from switchman.addons.core.streams.think import ThinkFilter, ThinkStage

Output = tuple[str, str]


def run(parts: list[str], **options: Any) -> Output:
    """(visible, thought) of a whole reply in parts."""
    made = ThinkFilter(**options)
    outputs = [made.feed(part) for part in parts] + [made.end()]
    return "".join(visible for visible, _ in outputs), "".join(thought for _, thought in outputs)


def text_splits(text: str) -> list[list[str]]:
    return [[text], list(text), *([text[:at], text[at:]] for at in range(1, len(text)))]


CASES: list[tuple[str, str, str]] = [
    ("<think>why</think>answer", "answer", "why"),
    ("<think>\nwhy\n</think>\n\nanswer\n\n  code\n", "answer\n\n  code\n", "\nwhy\n"),
    ("<THINK>why</Think>answer", "answer", "why"),
    ("<thinking>a</think>b</thinking>c", "c", "a</think>b"),
    ("<thought>a</thought>c", "c", "a"),
    ("<reasoning>a</reasoning>c", "c", "a"),
    (" \n <think>a</think> b", " \n  b", "a"),
    ("<think>a</think>\r\n\r\nb", "b", "a"),
    ("<think>a</think>\n \nb", " \nb", "a"),
    ("<think></think>b", "b", ""),
    ("<think>\n\n</think>\n\n", "", "\n\n"),
    ("<think>a</think>\n<think>b</think>\nc", "c", "ab"),
    ("<think>a < b </ think> </thin</think>c", "c", "a < b </ think> </thin"),
    ("<think>a<think>b</think>c</think>d", "c</think>d", "a<think>b"),
    ("<think>ünï🚀</think>🚀", "🚀", "ünï🚀"),
    # Not at the start, not a tag, not closed by its own name: nothing is changed.
    ("", "", ""),
    ("plain", "plain", ""),
    ("say <think>a</think> b", "say <think>a</think> b", ""),
    ("<think", "<think", ""),
    ("<", "<", ""),
    ("< think>a</think>", "< think>a</think>", ""),
    ("<think a>b</think>", "<think a>b</think>", ""),
    ("<thinks>b</thinks>", "<thinks>b</thinks>", ""),
    ("<thin<think>a</think>", "<thin<think>a</think>", ""),
    ("<th\u0131nk>a", "<th\u0131nk>a", ""),
    ("<thin\u212a>a</thin\u212a>b", "<thin\u212a>a</thin\u212a>b", ""),  # KELVIN SIGN is no k
    ("a</think>b", "a</think>b", ""),
    ("x = 1 <  2\n\n\n  y", "x = 1 <  2\n\n\n  y", ""),
]


@pytest.mark.parametrize(("text", "visible", "thought"), CASES)
@pytest.mark.parametrize("reveal", [True, False])
def test_blocks_at_the_start_are_thoughts(text: str, visible: str, thought: str, reveal: bool) -> None:
    """However the reply is cut, blocks at its start are told from the answer, and nothing else is touched."""
    for parts in text_splits(text):
        assert run(parts, reveal=reveal) == (visible, thought)


@pytest.mark.parametrize(
    "text", ["<think>", "\n<Think>half a thought", "<think>a</thi", "<think>a</think>\n<thought>b"]
)
def test_an_unclosed_block_is_kept_by_default(text: str) -> None:
    """A reply that was cut off inside its thought gives that back, tag and all."""
    closed = "<think>a</think>\n"
    for parts in text_splits(text):
        assert run(parts)[0] == text.removeprefix(closed)


def test_an_unclosed_block_can_be_dropped() -> None:
    """`unclosed="drop"` lets it vanish."""
    for parts in text_splits("\n<think>half a thought </th"):
        assert run(parts, unclosed="drop")[0] == "\n"


def test_revealed_thoughts_come_as_they_are_thought() -> None:
    """Nothing but what may be a closing tag waits."""
    made = ThinkFilter(reveal=True)
    outputs = [made.feed(part) for part in ("<think>a", "b", "c</", "d", "</think>", "\n", "e")]
    assert outputs == [("", "a"), ("", "b"), ("", "c"), ("", "</d"), ("", ""), ("", ""), ("e", "")]


def test_an_answer_is_never_delayed() -> None:
    """What cannot be the beginning of a tag is out at once, and then the filter is idle."""
    made = ThinkFilter()
    assert made.feed(" ") == (" ", "")
    assert made.feed("<th") == ("", "")
    assert not made.idle
    assert made.feed("e") == ("<the", "")
    assert made.idle
    assert made.feed("<think>") == ("<think>", "")


ORPHANS: list[tuple[str, str, str]] = [
    ("why</think>\n\nanswer", "answer", "why"),
    ("\nwhy</thinking>answer </think>", "\nanswer </think>", "why"),
    ("why</think><think>more</think>answer", "answer", "whymore"),
    ("no closer </thin", "no closer </thin", ""),
    ("use <think> and </think> like so", "use <think> and </think> like so", ""),
    ("x" * 31 + "</think>b", "x" * 31 + "</think>b", ""),
    ("x" * 30 + "</think>b", "b", "x" * 30),
    ("x" * 80, "x" * 80, ""),
    ("<think>a</think>b</think>c", "b</think>c", "a"),
]


@pytest.mark.parametrize(("text", "visible", "thought"), ORPHANS)
def test_an_orphan_closer_ends_a_thought_within_the_bound(text: str, visible: str, thought: str) -> None:
    """At most `orphan` characters are held for a closer without opener, at any split."""
    for parts in text_splits(text):
        assert run(parts, orphan=30) == (visible, thought)


def test_the_hold_for_an_orphan_ends_at_its_bound() -> None:
    """A model that does not think is delayed by that many characters and no more."""
    made = ThinkFilter(orphan=5)
    assert [made.feed(part)[0] for part in ("abc", "de", "f", "g")] == ["", "", "abcdef", "g"]


OPENED: list[tuple[str, str, str]] = [
    ("why</think>\n\nanswer", "answer", "why"),
    ("</think>answer", "answer", ""),
    ("\nwhy</thinking>answer </think>", "\nanswer </think>", "why"),
    ("why <think>, I ask</think>answer", "answer", "why <think>, I ask"),
    ("why</think>\n<think>more</think>answer", "answer", "whymore"),
    ("why < what </thin</THINK>\r\nünï🚀", "ünï🚀", "why < what </thin"),
    # The reply opens the block itself.
    ("<think>why</think>answer</think>", "answer</think>", "why"),
    (" \n<thought>why</thought>answer", " \nanswer", "why"),
]


@pytest.mark.parametrize("reveal", [True, False])
@pytest.mark.parametrize(("text", "visible", "thought"), OPENED)
def test_what_the_template_opened_ends_at_the_first_closer(text: str, visible: str, thought: str, reveal: bool) -> None:
    """However the reply is cut, and whether thoughts are removed or moved; a reply that opens a block is as ever."""
    for parts in text_splits(text):
        assert run(parts, opens=True, reveal=reveal) == (visible, thought)
        assert run(parts, opens=True, reveal=reveal, limit=1 << 62) == (visible, thought)


@pytest.mark.parametrize("reveal", [True, False])
@pytest.mark.parametrize("text", ["", "a", "no closer", "a\n", " a </thin", "a </", "<thin", "say <think> so", "a<"])
def test_a_reply_without_a_closer_loses_nothing(text: str, reveal: bool) -> None:
    """It is given as text, to the character, also where it had been given as a thought."""
    for parts in text_splits(text):
        visible, thought = run(parts, opens=True, reveal=reveal)
        assert visible == text
        assert thought == "" if not reveal else text.lstrip().startswith(thought)
        assert run(parts, opens=True, reveal=reveal, limit=1 << 62) == (text, "")  # whole: nobody waits for a thought


def test_an_opened_block_comes_as_it_is_thought() -> None:
    """Where thoughts are moved, nothing but what may be a closing tag waits; where they are removed, all does."""
    parts = ("a", "b</", "d", "</think>", "\n", "e", "f")
    moved = ThinkFilter(reveal=True, opens=True)
    assert [moved.feed(part) for part in parts] == [
        ("", "a"), ("", "b"), ("", "</d"), ("", ""), ("", ""), ("e", ""), ("f", "")]  # fmt: skip
    assert moved.idle and moved.found_orphan
    removed = ThinkFilter(opens=True)
    assert [removed.feed(part)[0] for part in parts] == ["", "", "", "", "", "e", "f"]


@pytest.mark.parametrize("reveal", [True, False])
def test_an_opened_block_above_the_limit_is_text(reveal: bool) -> None:
    """The hold has a bound; what was held is given then, and the rest passes."""
    for size, stripped in ((20, True), (21, False)):
        text = "x" * size + "</think>\nanswer"
        for parts in text_splits(text):
            visible, thought = run(parts, limit=20, opens=True, reveal=reveal)
            assert visible == ("answer" if stripped else text)
            assert thought == ("x" * 20 if stripped or reveal else "")


def test_only_an_orphan_is_found() -> None:
    """A closer that nothing in the reply had opened, with or without a hold for it."""
    for text, found in (("a</think>b", True), ("<think>a</think>b", False), ("a", False), ("a</thin", False)):
        for options in ({"opens": True}, {"orphan": 99}):
            made = ThinkFilter(**options)  # type: ignore[arg-type]
            made.feed(text)
            made.end()
            assert made.found_orphan is found, (text, options)


def test_what_was_held_is_given_when_no_closer_can_come() -> None:
    """At the next text, or at the end; a block that the reply has opened goes on."""
    for options in ({"opens": True}, {"orphan": 99}):
        made = ThinkFilter(**options)  # type: ignore[arg-type]
        assert made.feed("a </") == ("", "")
        made.expect_no_orphan()
        assert not made.idle
        assert made.feed("b</think>") == ("a </b</think>", "")
        assert made.idle
        made = ThinkFilter(**options)  # type: ignore[arg-type]
        made.feed("a <")
        made.expect_no_orphan()
        assert made.end() == ("a <", "")
    made = ThinkFilter(opens=True)
    made.feed("<think>a")
    made.expect_no_orphan()
    assert made.feed("b</think>c") == ("c", "ab")


@pytest.mark.parametrize(
    ("text", "visible", "thought"),
    [
        ("a<think>b</think>\n\nc <thought>d</thought>e", "ac e", "bd"),
        ("a < b <thin", "a < b <thin", ""),
        ("a<think>b", "a<think>b", ""),
        ("a<<think>b</think>c", "a<c", "b"),
    ],
)
def test_anywhere(text: str, visible: str, thought: str) -> None:
    """With `anywhere`, blocks in the middle count as well."""
    for parts in text_splits(text):
        assert run(parts, anywhere=True) == (visible, thought)


def test_a_block_above_the_limit_is_given_back() -> None:
    """A stripping stream does not hold without end: a block above the limit is text after all, at any split."""
    for size, stripped in ((20, True), (21, False)):
        text = "<think>" + "x" * size + "</think>\nanswer"
        for parts in text_splits(text):
            assert run(parts, limit=20)[0] == ("answer" if stripped else text)


def test_four_million_characters_are_held_where_nobody_says_another_limit() -> None:
    """A model that thinks for ever cannot fill the memory: the block comes out, and then all that follows."""
    most = 4 * 1024 * 1024
    made = ThinkFilter()
    assert made.feed("<think>" + "x" * most) == ("", "")
    visible, thought = made.feed("y")
    assert (len(visible), visible[:8], visible[-2:], thought) == (len("<think>") + most + 1, "<think>x", "xy", "")
    assert made.feed("z</think>") == ("z</think>", "")


@pytest.mark.parametrize(("whole", "held"), [(False, False), (True, True)])
def test_a_stages_limit_is_for_streams(whole: bool, held: bool) -> None:
    """A stream that strips holds no more than the stage was told; a whole reply is there already, however long."""
    made = ThinkStage(lambda obj: (), limit=5).new_filter(Slot(0, {}, "content"), whole=whole)
    assert made is not None
    visible = made.feed("<think>abcdef")[0]
    assert visible == ("" if held else "<think>abcdef")


@example(pieces=["<think>"] * 3 + ["</think>"], cuts=[], options={"limit": 0, "anywhere": True})
@given(
    pieces=st.lists(
        st.sampled_from(["<think>", "</think>", "<Thought>", "</thought>", "<", "/", "think", ">", " ", "\n", "a🚀"])
    ),
    cuts=st.lists(st.integers(0, 80), max_size=8),
    options=st.fixed_dictionaries(
        {},
        optional={
            "reveal": st.booleans(),
            "unclosed": st.sampled_from(["keep", "drop"]),
            "orphan": st.integers(0, 20),
            "anywhere": st.booleans(),
            "limit": st.integers(0, 20),
            "opens": st.booleans(),
        },
    ),
)
@settings(max_examples=100, deadline=None)
def test_no_split_changes_the_output(pieces: list[str], cuts: list[int], options: dict[str, Any]) -> None:
    """For any text of tags and their parts, under any options, every chunking gives one output."""
    text = "".join(pieces)
    marks = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    whole = run([text], **options)
    assert run([text[a:b] for a, b in pairwise(marks)], **options) == whole
    assert run(list(text), **options) == whole
    assert len(whole[0]) + len(whole[1]) <= len(text) * (2 if options.get("opens") else 1)  # moved, then given as text


@pytest.mark.parametrize(
    "text", ["<", " ", "</think", "</", "\n", "<think></think>", "<think>", "</think>", "<think></think>\n \n"]
)
def test_hostile_text_costs_linear_time(text: str) -> None:
    """Two million characters of tags and their parts take a moment; a scan that starts over would take hours."""
    text = text * (2_000_000 // len(text))
    began = time.process_time()
    for opener in ("", "<think>"):
        run([opener + text], orphan=1 << 30, anywhere=True)
        run([opener + text])
        run([opener + text], opens=True, reveal=True)
    assert time.process_time() - began < 60
