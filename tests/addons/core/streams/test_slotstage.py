import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.fences import FenceStage
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.slots import Slot
from switchman.addons.core.streams.slotstage import SlotStage, apply_whole
from switchman.addons.core.streams.think import ThinkStage


def chat(obj: dict[str, Any]) -> Iterator[Slot]:
    """Slots of OpenAI's chunks and whole replies, as much of them as these tests need."""
    for position, choice in enumerate(obj.get("choices") or ()):
        finished = choice.get("finish_reason") is not None or "message" in choice
        holder = choice.get("delta", choice.get("message"))
        yield Slot(choice.get("index", position), holder, "content", "reasoning_content", finished)


def block(obj: dict[str, Any]) -> Iterator[Slot]:
    """Slots of Anthropic's text blocks: the event that ends one has no place for text."""
    if obj["type"] == "content_block_delta":
        yield Slot(obj["index"], obj["delta"], "text")
    elif obj["type"] == "content_block_stop":
        yield Slot(obj["index"], obj, "", finished=True)


def chunk(content: str | None, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": index, "delta": {"content": content, **more}, "finish_reason": finish}]}


def event(data: dict[str, Any] | str) -> Event:
    text = data if isinstance(data, str) else json.dumps(data)
    (made,) = SSESplitter().feed(f"data: {text}\n\n".encode())
    return made


def feed(stage: SlotStage, *datas: dict[str, Any] | str) -> list[Any]:
    """What comes out, parsed; what has no data as its text."""
    events = [made for data in datas for made in stage.feed(event(data))] + stage.end()
    out = (next(iter(SSESplitter().feed(made.encode()))) for made in events)
    return [made.data if made.data is not None else (made.payload or b"").decode() for made in out]


def contents(datas: list[Any], index: int = 0, name: str = "content") -> list[Any]:
    return [c["delta"].get(name) for data in datas for c in data["choices"] if c["index"] == index]


def test_an_unchanged_event_is_the_same_object_untouched() -> None:
    """What no filter changes leaves byte for byte, odd spacing and all."""
    stage = ThinkStage(chat)
    raw = b'data: { "choices" : [{"delta":{"content":"a"} , "x":1.50}] }\r\n\r\n'
    (given_event,) = SSESplitter().feed(raw)
    assert list(stage.feed(given_event)) == [given_event]
    assert given_event.encode() == raw


def test_emptied_text_keeps_its_event() -> None:
    """A delta whose text was all thought stays, with "" as its text: its role and id count."""
    out = feed(ThinkStage(chat), chunk("<think>", role="assistant"), chunk("a"), chunk("</think>\n"), chunk("b"))
    assert contents(out) == ["", "", "", "b"]
    assert out[0]["choices"][0]["delta"]["role"] == "assistant"


def test_null_content_stays_null() -> None:
    """`content: null` is no text, and is not touched."""
    out = feed(ThinkStage(chat), chunk(None), chunk("<think>a</think>b"), chunk(None), {"choices": [], "usage": {}})
    assert contents(out) == [None, "b", None]
    assert out[-1] == {"choices": [], "usage": {}}


def test_reasoning_moves_to_its_field() -> None:
    """Thoughts go on in the reasoning field of the same event, as they come."""
    out = feed(ThinkStage(chat, "reasoning"), chunk("<think>a"), chunk("b</thi"), chunk("nk>\n\nc"), chunk("d"))
    assert contents(out) == ["", "", "c", "d"]
    assert contents(out, name="reasoning_content") == ["a", "b", None, None]


def test_reasoning_is_added_to_what_is_there() -> None:
    """A reasoning field that has text already keeps it."""
    out = feed(ThinkStage(chat, "reasoning"), chunk("<think>b", reasoning_content="a"))
    assert contents(out, name="reasoning_content") == ["ab"]


def test_reasoning_without_a_field_is_stripped() -> None:
    """A format that has no place for thoughts loses them, but an unclosed one comes back."""
    delta = {"type": "content_block_delta", "index": 0, "delta": {"text": "<think>a</think>b"}}
    assert [data["delta"]["text"] for data in feed(ThinkStage(block, "reasoning"), delta)] == ["b"]
    delta = {"type": "content_block_delta", "index": 0, "delta": {"text": "<think>a"}}
    assert [data["delta"]["text"] for data in feed(ThinkStage(block, "reasoning"), delta)] == ["", "<think>a"]


def test_keep_changes_nothing() -> None:
    """Mode "keep" leaves every event as it is."""
    datas = [chunk("<think>a</think>b"), chunk("", finish="stop")]
    assert feed(ThinkStage(chat, "keep"), *datas) == datas


def test_choices_do_not_mix() -> None:
    """Several choices, interleaved and in one event, each have their own filter; a late one starts at its own start."""
    both = chunk("<thi")
    both["choices"] += chunk("<think>B", 1)["choices"]
    late = chunk("<think>C</think>c", 2)
    out = feed(ThinkStage(chat), both, chunk("</think>b", 1), chunk("s", 0), chunk("x"), late, chunk("<think>d", 1))
    assert "".join(contents(out, 0)) == "<thisx"
    assert "".join(contents(out, 1)) == "b<think>d"
    assert "".join(contents(out, 2)) == "c"


def test_held_text_goes_into_the_finishing_event() -> None:
    """The event that ends a choice carries what was held; no event is added."""
    out = feed(ThinkStage(chat), chunk("<thi"), chunk(None, finish="stop"), "[DONE]")
    assert contents(out[:2]) == ["", "<thi"]
    assert out[1]["choices"][0]["finish_reason"] == "stop"
    assert out[2:] == ["[DONE]"]


def test_held_text_goes_before_an_end_without_place() -> None:
    """Where the ending event takes no text, one like the choice's last goes before it."""
    delta = {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "<thi"}}
    stop = {"type": "content_block_stop", "index": 3}
    emptied = {**delta, "delta": {"type": "text_delta", "text": ""}}
    assert feed(ThinkStage(block), delta, stop) == [emptied, delta, stop]


@pytest.mark.parametrize("last", ["[DONE]", {"error": {"message": "overloaded"}}, None])
def test_held_text_goes_before_an_end_that_was_not_announced(last: dict[str, Any] | str | None) -> None:
    """A stream that ends without a finish reason still gives what was held, before its [DONE] or error, if any."""
    first = chunk("<thi", tool_calls=[{"id": "a"}], role="assistant")
    out = feed(ThinkStage(chat), first, *([] if last is None else [last]))
    assert contents(out[:2]) == ["", "<thi"]
    assert out[1]["choices"][0]["delta"] == {"content": "<thi", "role": "assistant"}  # the call is not said twice
    assert out[2:] == ([] if last is None else [last])


def test_held_thoughts_are_released_as_thoughts() -> None:
    """Half a closing tag at the end of a thought is part of the thought."""
    out = feed(ThinkStage(chat, "reasoning"), chunk("<think>a</thi"))
    assert [contents(out), contents(out, name="reasoning_content")] == [["", ""], ["a", "</thi"]]


def test_stages_work_one_behind_the_other() -> None:
    """A fence behind a thinking block is the whole reply for the stage after."""
    obj = {"choices": [{"index": 0, "message": {"content": '<think>a</think>\n```json\n{"a": 1}\n```\n'}}]}
    assert apply_whole([ThinkStage(chat), FenceStage(chat)], obj)
    assert obj["choices"][0]["message"]["content"] == '{"a": 1}'  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>a</think>\nb", {"content": "b", "reasoning_content": "a"}),
        ("a</think>b", {"content": "b", "reasoning_content": "a"}),
        ("<think>a", {"content": "", "reasoning_content": "a"}),
        ("<thi", {"content": "<thi"}),
        ("b", {"content": "b"}),
        (None, {"content": None}),
    ],
)
def test_whole_replies(content: str | None, expected: dict[str, Any]) -> None:
    """The same filters, and an orphan closer counts; the answer says whether anything changed."""
    obj = {"choices": [{"index": 0, "message": {"content": content}}]}
    assert apply_whole([ThinkStage(chat, "reasoning")], obj) == (expected != {"content": content})
    assert obj["choices"][0]["message"] == expected


def parts(obj: dict[str, Any]) -> Iterator[Slot]:
    """Several places of one choice, none of them marked as the last."""
    for part in obj["parts"]:
        yield Slot(0, part, "text")


def test_one_choice_in_several_places() -> None:
    """Text parts of one choice share a filter, and what it holds at the end goes into the last one."""
    obj = {"parts": [{"text": "<thi"}, {"text": "nk>a</think>b"}, {"text": "c"}]}
    assert apply_whole([ThinkStage(parts)], obj)
    assert [part["text"] for part in obj["parts"]] == ["", "b", "c"]
    obj = {"parts": [{"text": "<thi"}, {"text": "nk>a"}]}
    assert apply_whole([ThinkStage(parts)], obj)
    assert [part["text"] for part in obj["parts"]] == ["", "<think>a"]


def test_events_of_idle_choices_are_not_parsed() -> None:
    """Once a choice is past its start, its events pass unread; another choice's do not."""
    stage = ThinkStage(chat)
    for index in (0, 12):
        list(stage.feed(event(chunk("a", index))))
    calls: list[Any] = []
    stage._slots = lambda obj: calls.append(obj) or chat(obj)  # type: ignore[func-returns-value]
    for index in (0, 12):
        list(stage.feed(event(chunk('"index": 5', index))))
    assert not calls
    list(stage.feed(event(chunk("<think>b</think>", 1))))
    assert len(calls) == 1


@given(
    stream=st.lists(
        st.tuples(
            st.sampled_from(["<think>", "</think>", "<thi", "a", "", "\n", '"index":0,', None]),
            st.sampled_from([0, 1, 2, 10, 12]),
            st.sampled_from(["first", "last", "absent", "tool"]),
        ),
        max_size=15,
    ),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
)
@settings(max_examples=100, deadline=None)
def test_the_short_cut_changes_nothing(stream: list[tuple[str | None, int, str]], separators: tuple[str, str]) -> None:
    """Skipping events of idle choices gives what parsing every event gives, wherever the index stands."""
    datas = []
    for content, index, place in stream:
        delta: dict[str, Any] = {"content": content}
        if place == "tool":
            delta["tool_calls"] = [{"index": index}]
        rest: dict[str, Any] = {"delta": delta, "finish_reason": None}
        choice = {"absent": rest, "last": {**rest, "index": index}}.get(place, {"index": index, **rest})
        datas.append(json.dumps({"choices": [choice]}, separators=separators))
    slow = ThinkStage(chat)
    slow._remember_idle = lambda payload, slots: None  # type: ignore[method-assign]
    assert feed(ThinkStage(chat), *datas) == feed(slow, *datas)


def test_endless_choices_do_not_grow_memory() -> None:
    """Beyond 1024 choices the rest pass through."""
    stage = ThinkStage(chat)
    for index in range(3000):
        list(stage.feed(event(chunk("<think>", index))))
    assert len(stage.end()) == 1024


OPENS = ["thou", "ghts</th", "ink>\n\n", "ans", "wer"]


@pytest.mark.parametrize("mode", ["strip", "reasoning"])
def test_text_of_an_opened_block_is_held_or_moved(mode: Any) -> None:
    """In each choice for itself; a choice without a closer gets its text when it ends."""
    datas: list[Any] = [chunk(text, index) for text in OPENS for index in (0, 1)]
    datas += [chunk("none", 2), chunk("", 2, "stop"), chunk(None, 0, "stop"), chunk(None, 1, "stop"), "[DONE]"]
    stage = ThinkStage(chat, mode, opens=True)
    out = feed(stage, *datas)
    for index in (0, 1):
        assert "".join(text or "" for text in contents(out[:-1], index)) == "answer"
        thoughts = "".join(text or "" for text in contents(out[:-1], index, "reasoning_content"))
        assert thoughts == ("thoughts" if mode == "reasoning" else "")
    assert contents(out[:-1], 2) == ["", "none"]
    assert stage.found_orphan
    whole = {"choices": [{"index": 0, "message": {"content": "".join(OPENS)}}]}
    assert ThinkStage(chat, mode, opens=True).whole(whole)
    assert whole["choices"][0]["message"]["content"] == "answer"


@pytest.mark.parametrize("mode", ["strip", "reasoning"])
def test_a_tool_call_ends_what_was_held(mode: Any) -> None:
    """The text goes before the call, in its event, and is not repeated at the end; a closer in that event counts."""
    call = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]
    out = feed(
        ThinkStage(chat, mode, opens=True), chunk("I "), chunk("look."), chunk(None, tool_calls=call), chunk("x")
    )
    assert contents(out) == ["", "", "I look.", "x"]
    assert contents(out, name="tool_calls") == [None, None, call, None]
    out = feed(ThinkStage(chat, mode, opens=True), chunk("a"), chunk("b</think>ok", tool_calls=call), chunk("x"))
    assert contents(out) == ["", "ok", "x"]
    out = feed(ThinkStage(chat, mode), chunk("<think>a"), chunk("b", tool_calls=call), chunk("</think>x"))
    assert contents(out) == ["", "", "x"]


@pytest.mark.parametrize("mode", ["strip", "reasoning"])
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_a_server_that_separates_thoughts_has_no_orphans(mode: Any, name: str) -> None:
    """Nothing of its text is held or cut, streamed and whole alike, and nothing is learned from it."""
    said = ["Write ", "</think> ", "so."]
    stage = ThinkStage(chat, mode, opens=True)
    out = feed(stage, chunk("", role="assistant"), chunk(None, **{name: "hm"}), *map(chunk, said))
    assert contents(out)[2:] == said and not stage.found_orphan
    stage = ThinkStage(chat, mode)
    assert contents(feed(stage, chunk(None, **{name: "hm"}), *map(chunk, said)))[1:] == said and not stage.found_orphan
    out = feed(ThinkStage(chat, mode, opens=True), chunk("held "), chunk(None, **{name: "hm"}), *map(chunk, said))
    assert "".join(text or "" for text in contents(out)) == "held " + "".join(said)
    for opens in (True, False):
        whole = {"choices": [{"index": 0, "message": {"content": "".join(said), name: "hm"}}]}
        assert not ThinkStage(chat, mode, opens=opens).whole(whole)


def test_only_the_first_block_of_an_answer_can_have_been_opened() -> None:
    """A text block behind a tool's call passes at once, and a closer in it is text."""

    def late(obj: dict[str, Any]) -> Iterator[Slot]:
        return (Slot(s.key, s.holder, s.field, None, s.finished, begins=s.key == 0) for s in block(obj))

    deltas = [
        {"type": "content_block_delta", "index": index, "delta": {"text": text}}
        for index, text in ((0, "a"), (0, "</think>b"), (1, "c"), (1, "</think>d"))
    ]
    out = feed(ThinkStage(late, opens=True), *deltas)
    assert [data["delta"]["text"] for data in out] == ["", "b", "c", "</think>d"]


def test_orphans_are_looked_for_where_none_is_expected() -> None:
    """So that the next reply can be held; in a stream it passes, whole it is cleaned, unless the rules say no."""
    datas = [chunk("a"), chunk("b</thi"), chunk("nk>c")]
    for settled in (False, True):
        stage = ThinkStage(chat, settled=settled)
        assert "".join(contents(feed(stage, *datas))) == "ab</think>c"
        assert stage.found_orphan is not settled
        stage = ThinkStage(chat, settled=settled)
        whole = {"choices": [{"index": 0, "message": {"content": "ab</think>c"}}]}
        assert stage.whole(whole) is not settled and stage.found_orphan is not settled
    stage = ThinkStage(chat, "keep")
    assert contents(feed(stage, *datas)) == ["a", "b</thi", "nk>c"] and not stage.found_orphan
