import json
from typing import Any

import pytest

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.reply import ReplyCollector, has_output, has_thought


def event(data: Any, *, compact: bool = False) -> Event:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":") if compact else None)
    (made,) = NDJSONSplitter().feed(text.encode() + b"\n")
    return made


def collect(*datas: Any, compact: bool = False) -> ReplyCollector:
    """A collector that got one event a second, from second 1 on."""
    reply = ReplyCollector()
    for second, data in enumerate(datas, 1):
        reply.feed(event(data, compact=compact), float(second))
    return reply


def found(reply: ReplyCollector) -> dict[str, Any]:
    names = (
        "model",
        "finish_reason",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "tool_calls",
    )
    return {name: value for name in names if (value := getattr(reply, name))}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None, **more}


def test_nothing_is_invented() -> None:
    """What a reply does not say is None."""
    reply = collect(chunk({"role": "assistant", "content": ""}), chunk({}), "[DONE]")
    assert found(reply) == {"model": "m"}
    assert (reply.first_token_at, reply.tokens_per_second, reply.error) == (None, None, None)
    assert reply.finished
    assert not collect(chunk({"content": "a"})).finished


@pytest.mark.parametrize("compact", [True, False])
def test_openai_stream_with_usage_at_the_end(compact: bool) -> None:
    """The extra chunk's usage counts; so do the model and the reason."""
    usage = {
        "prompt_tokens": 18,
        "completion_tokens": 21,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    reply = collect(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "a"}),
        *[chunk({"content": 'b "usage": 1'})] * 3,
        chunk({}, "stop"),
        {"choices": [], "usage": usage},
        "[DONE]",
        compact=compact,
    )
    assert found(reply) == {
        "model": "m",
        "finish_reason": "stop",
        "input_tokens": 18,
        "output_tokens": 21,
        "cached_tokens": 5,
        "reasoning_tokens": 7,
    }
    assert (reply.first_token_at, reply.last_event_at) == (2.0, 7.0)
    assert reply.tokens_per_second == 20 / 5


def test_thoughts_that_were_not_sent_do_not_count_as_speed() -> None:
    """Where the first token is no thought, tokens of thought came before it."""
    usage = {"completion_tokens": 101, "completion_tokens_details": {"reasoning_tokens": 90}}
    reply = collect(chunk({"content": "a"}), chunk({"content": "b"}, "stop", usage=usage))
    assert reply.tokens_per_second == 10.0


def test_one_event_has_no_speed() -> None:
    """A reply that came in one piece says nothing about the time it took."""
    assert collect(chunk({"content": "a"}, "stop", usage={"completion_tokens": 50})).tokens_per_second is None


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (chunk({}, "stop", x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 4}}), (3, 4, None)),
        ({"choices": [{"index": 0, "delta": {}, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}]}, (3, 4, None)),
        (chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 4, "cached_tokens": 2}), (3, 4, 2)),
        (
            chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 4, "prompt_cache_hit_tokens": 1}),
            (3, 4, 1),
        ),
        (
            chunk({}, usage={"prompt_tokens": 3.0, "completion_tokens": float("inf"), "cached_tokens": "x"}),
            (3, None, None),
        ),
        (chunk({}, usage={"prompt_tokens": True, "completion_tokens": [4]}), (None, None, None)),
        (chunk({}, usage=5), (None, None, None)),
    ],
)
def test_usage_in_other_places_and_shapes(last: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    """Groq, Moonshot and DeepSeek put figures elsewhere; what is no count is not taken for one."""
    reply = collect(chunk({"content": "a"}), last)
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == expected


def test_running_totals_are_not_added_up() -> None:
    """Of usage in every chunk the last figure counts."""
    running = [chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": n}) for n in (1, 2, 3)]
    assert collect(*running).output_tokens == 3


def test_reasoning_counted_apart_is_added() -> None:
    """xAI leaves thoughts out of completion_tokens, and its total shows that."""
    usage = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303}
    details = {"completion_tokens_details": {"reasoning_tokens": 290}}
    assert collect(chunk({}, usage={**usage, **details})).output_tokens == 291
    assert collect(chunk({}, usage={**usage, "total_tokens": 13, **details})).output_tokens == 1


def test_calls_without_id_and_index_are_counted_one_by_one() -> None:
    """Two whole calls, both number 0; OpenAI's pieces, and blocks of Anthropic."""
    calls = [{"index": 0, "id": "", "function": {"name": name, "arguments": "{}"}} for name in ("f", "g", "g")]
    assert collect(*[chunk({"tool_calls": [call]}) for call in calls]).tool_calls == 3
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "f"}}
    assert collect(block, block).tool_calls == 2
    odd = [{"index": [], "id": {}, "function": {"name": 5, "arguments": {"a": 1}}}, {"function": []}, 5]
    assert collect(chunk({"tool_calls": odd})).tool_calls == 1
    whole = ReplyCollector()
    whole.feed_whole({"choices": [{"message": {"tool_calls": calls[:2]}}]})
    assert whole.tool_calls == 2


@pytest.mark.parametrize(
    ("datas", "finished", "ended"),
    [
        ([chunk({"content": "a"})], False, False),
        ([chunk({"content": "a"}), chunk({}, "stop")], True, False),
        ([chunk({"content": "a"}), "[DONE]"], True, True),
        ([{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}], False, False),
        ([{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}], True, True),
        ([{"message": {"content": "a"}, "done": True}], True, True),
    ],
    ids=["text", "reason", "done", "anthropic-reason", "anthropic-stop", "ollama"],
)
def test_when_a_reply_is_complete_and_when_its_stream(datas: list[Any], finished: bool, ended: bool) -> None:
    """Some OpenAI servers say a reason and no more; each one of Anthropic's says message_stop, named or not."""
    reply = collect({"choices": [{"delta": {"content": "first"}}]} if "choices" in datas[0] else {"model": "m"}, *datas)
    assert (reply.finished, reply.ended, reply.was_cut) == (finished, ended, not finished)


def test_openai_tool_calls() -> None:
    """A call in pieces counts once; calls are told apart by index, or by id where a server gives none."""
    pieces = [{"index": 0, "id": "a"}, {"index": 0}, {"index": 1, "id": "b"}, {"id": "c"}, {"id": "d"}]
    reply = collect(*[chunk({"tool_calls": [piece]}) for piece in pieces], chunk({}, "tool_calls"))
    assert (reply.tool_calls, reply.first_token_at, reply.finish_reason) == (4, 1.0, "tool_calls")
    assert (
        collect(chunk({"function_call": {"name": "f"}}), chunk({"function_call": {"arguments": "{}"}})).tool_calls == 1
    )


def test_of_several_choices_the_first_ones_reason_stands() -> None:
    """Choice 0's finish reason counts, whenever it comes."""
    second = {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}
    first = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    assert collect(second, first).finish_reason == "stop"
    assert collect(first, second).finish_reason == "stop"
    both = {"choices": [{"index": 0, "delta": {}, "finish_reason": None}, *second["choices"]]}
    assert collect(chunk({"content": "a"}), both).finish_reason == "length"


def test_legacy_completions() -> None:
    """`choices[].text` is output."""
    text = {"model": "m", "choices": [{"text": "a", "index": 0, "finish_reason": None}]}
    reply = collect(
        {**text, "choices": [{"text": "", "index": 0}]}, text, {"choices": [{"text": "", "finish_reason": "length"}]}
    )
    assert (reply.first_token_at, reply.finish_reason) == (2.0, "length")


@pytest.mark.parametrize("compact", [True, False])
def test_ollama_chat_and_generate(compact: bool) -> None:
    """The done line has the counts, and the speed as Ollama measured it."""
    done = {
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 26,
        "eval_count": 100,
        "eval_duration": 2_000_000_000,
    }
    for empty, text in (
        ({"message": {"role": "assistant", "content": ""}}, {"message": {"role": "assistant", "thinking": "a"}}),
        ({"response": ""}, {"response": "a"}),
    ):
        lines = [{"model": "llama3", **body, "done": False} for body in (empty, text, text)]
        reply = collect(*lines, {"model": "llama3", **empty, **done}, compact=compact)
        assert found(reply) == {"model": "llama3", "finish_reason": "stop", "input_tokens": 26, "output_tokens": 100}
        assert (reply.first_token_at, reply.tokens_per_second, reply.finished) == (2.0, 50.0, True)
        whole = ReplyCollector()
        whole.feed_whole({"model": "llama3", **text, **done})
        assert (found(whole), whole.tokens_per_second) == (found(reply), 50.0)


def test_ollama_tool_calls() -> None:
    """Ollama sends calls whole, without an id."""
    call = {"function": {"name": "f", "arguments": {}}}
    reply = collect(
        {"message": {"tool_calls": [call, call]}, "done": False}, {"message": {"tool_calls": [call]}, "done": False}
    )
    assert (reply.tool_calls, reply.first_token_at) == (3, 1.0)


def test_anthropic_stream() -> None:
    """message_start and message_delta together: cached tokens are part of the input."""
    usage = {"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}
    reply = collect(
        {"type": "message_start", "message": {"model": "claude", "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 30}},
        {"type": "message_stop"},
    )
    assert found(reply) == {
        "model": "claude",
        "finish_reason": "tool_use",
        "input_tokens": 15,
        "output_tokens": 30,
        "cached_tokens": 3,
        "tool_calls": 1,
    }
    assert reply.first_token_at == 4.0
    whole = ReplyCollector()
    content = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t"}]
    usage["output_tokens"] = 30
    whole.feed_whole(
        {"type": "message", "model": "claude", "content": content, "stop_reason": "tool_use", "usage": usage}
    )
    assert found(whole) == found(reply)


def test_responses_stream() -> None:
    """response.completed has it all."""
    usage = {
        "input_tokens": 5,
        "output_tokens": 20,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    call = {"type": "function_call", "id": "i", "call_id": "c"}
    response = {"object": "response", "model": "gpt", "status": "completed", "output": [call], "usage": usage}
    response["id"] = "resp_1"
    reply = collect(
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.output_text.delta", "delta": "a"},
        {"type": "response.output_item.done", "item": call},
        {"type": "response.completed", "response": response},
    )
    assert found(reply) == {
        "model": "gpt",
        "finish_reason": "completed",
        "input_tokens": 5,
        "output_tokens": 20,
        "cached_tokens": 1,
        "reasoning_tokens": 2,
        "tool_calls": 1,
    }
    assert reply.first_token_at == 3.0
    whole = ReplyCollector()
    whole.feed_whole(response)
    assert found(whole) == found(reply) and whole.response_id == reply.response_id == "resp_1"
    whole.feed_whole({**response, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}})
    assert whole.finish_reason == "max_output_tokens"


@pytest.mark.parametrize(
    "data",
    [
        {"error": {"message": "overloaded", "type": "x"}},
        {"type": "error", "error": {"type": "overloaded"}},
        {"error": "overloaded"},
        {
            "type": "response.failed",
            "response": {"object": "response", "status": "failed", "error": {"message": "overloaded"}},
        },
    ],
)
def test_errors_inside_a_stream_are_seen(data: dict[str, Any]) -> None:
    """In every dialect's shape, also late in the stream."""
    assert collect(chunk({"content": "a"}), data).error == "overloaded"


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]},
        {"content": [{"type": "text", "text": "a"}]},
        {"reasoning": "a"},
        {"refusal": "no"},
        {"tool_calls": [{"index": 0}]},
    ],
)
def test_what_counts_as_the_first_token(delta: dict[str, Any]) -> None:
    """Text, thought, refusal or call; not a role, an empty text or an empty part."""
    empty = [
        chunk({"role": "assistant"}),
        chunk({"content": [{"type": "text", "text": ""}]}),
        chunk({"tool_calls": []}),
    ]
    assert collect(*empty, chunk(delta)).first_token_at == 4.0


@pytest.mark.parametrize(
    "data",
    ["[1]", "3", "{", '{"choices": 5}', '{"choices": [5, {"delta": 3}], "usage": []}', '{"message": 1, "response": 2}'],
)
def test_shapes_from_elsewhere_do_no_harm(data: str) -> None:
    """Anything may come; nothing is raised."""
    assert found(collect(data, chunk({"content": "a"}), data)) == {"model": "m"}


ERROR = {"error": {"message": "busy", "code": 503}}
REFUSED: dict[str, tuple[list[Any], bool, bool]] = {  # events -> begun, refused
    "nothing": ([], False, False),
    "a ping": ([{"type": "ping"}], False, False),
    "an error": ([ERROR], False, True),
    "an error after a ping": ([{"type": "ping"}, ERROR], False, True),
    "an error beside an empty choice": ([chunk({}, "error", **ERROR)], False, True),
    "an error and the end": ([ERROR, "[DONE]"], False, True),
    "nothing but the end": (["[DONE]"], False, False),
    "text": ([chunk({"content": "a"})], True, False),
    "an error after text": ([chunk({"content": "a"}), ERROR], True, False),
    "an error after a role": ([chunk({"role": "assistant"}), ERROR], True, False),
    "no JSON": (["text"], False, False),
    "text after what is no JSON": (["text", chunk({"content": "a"})], True, False),
    "Ollama's error": ([{"error": "busy"}], False, True),
    "Responses' event": ([{"type": "error", "code": "server_error", "message": "busy"}], False, True),
    "a failed response": ([{"type": "response.failed", "response": {"error": {"message": "busy"}}}], False, True),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_stream_has_begun_with_its_first_event_that_is_no_error(what: str) -> None:
    """Pings do not count; what came first is kept, and the object in which the error stands."""
    events, begun, refused = REFUSED[what]
    reply = collect(*events)
    assert (reply.begun, reply.refused) == (begun, refused)
    assert (reply.failure is not None) == (reply.error is not None)


def test_comments_are_no_beginning() -> None:
    """An SSE comment has no data."""
    reply = ReplyCollector()
    reply.feed(Event(b": wait\n\n"), 1.0)
    assert not reply.begun


class Loud(list[Any]):
    """A value that is not to be made text: of a million members that is one call."""

    def __repr__(self) -> str:
        raise AssertionError("made text")


@pytest.mark.parametrize(
    "data",
    [
        {"type": Loud(), "choices": [{"index": Loud(), "finish_reason": "stop", "message": {"content": "a"}}]},
        {"choices": [{"index": Loud(), "delta": {"tool_calls": [{"id": Loud(), "index": 0}], "function_call": {}}}]},
        {"message": {"tool_calls": [{"id": Loud()}]}, "done": True},
        {"object": "response", "output": [{"type": "function_call", "call_id": Loud(), "id": Loud()}]},
        {"type": "content_block_start", "content_block": {"type": Loud()}},
    ],
)
def test_what_is_no_word_is_not_made_one(data: dict[str, Any]) -> None:
    """A server may put anything where a name is expected."""
    ReplyCollector().feed_whole(data)
    has_output(data)
    has_thought(data)
