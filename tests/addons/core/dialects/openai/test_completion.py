"""Legacy completions: one prompt, and its continuation, whole and in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    End,
    Failed,
    Finish,
    FormatName,
    Image,
    Message,
    Reasoning,
    Reply,
    Request,
    ResponseFormat,
    Sampling,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.limits import Notes, Untranslatable
from switchman.addons.core.dialects.neutral.sampling import Quirks
from switchman.addons.core.dialects.openai.completion import (
    CompletionDecoder,
    CompletionEncoder,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)
from switchman.addons.testing import every_split

STAMP = Stamp("abc", 1_700_000_000.0, "asked", include_usage=True)


@pytest.mark.parametrize(
    ("prompt", "shape"), [("a", "text"), ("", "text"), (["a"], "parts")], ids=["text", "empty", "list-of-one"]
)
def test_one_prompt_is_a_message(prompt: Any, shape: str) -> None:
    """A list of one is remembered as such."""
    (message,) = decode_request({"prompt": prompt}).messages
    assert (message.role, message.text(), message.shape) == ("user", "".join(prompt), shape)


@pytest.mark.parametrize(
    "prompt",
    [["a", "b"], [], [1, 2], [[1], [2]], None, 5],
    ids=["two", "none", "tokens", "two-of-tokens", "null", "number"],
)
def test_any_other_prompt_stays_as_it_is(prompt: Any) -> None:
    """Only OpenAI takes it."""
    request = decode_request({"prompt": prompt})
    assert (request.messages, request.extras) == ((), {"prompt": prompt})


def test_a_request_in_full() -> None:
    """It is raw: no chat template comes around it. An empty suffix is none."""
    body = {
        "model": "m",
        "prompt": "a",
        "suffix": "b",
        "max_tokens": 5,
        "stop": ["x"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u",
        "echo": False,
    }
    assert decode_request(body) == Request(
        "openai.completion",
        "m",
        (Message("user", (Text("a"),)),),
        sampling=Sampling(max_tokens=5, stop=("x",)),
        stream=True,
        include_usage=True,
        user="u",
        raw=True,
        suffix="b",
        extras={"stream_options": {"include_usage": True}, "echo": False},
    )
    assert decode_request({"suffix": "", "model": 5, "user": 5}) == Request(
        "openai.completion", "", (), raw=True, extras={"suffix": "", "model": 5, "user": 5}
    )


def written(
    *messages: Message, origin: FormatName = "ollama.generate", **members: Any
) -> tuple[dict[str, Any], list[str]]:
    notes = Notes(origin, "openai")
    quirks = members.pop("quirks", Quirks())
    body = encode_request(Request(origin, "m", messages, raw=True, **members), notes, quirks)
    return body, [warning.partition(" was ")[0] for warning in notes.warnings]


def test_a_generate_request_is_one_prompt() -> None:
    """The system's text stands before it; what has no place is named."""
    body, warnings = written(
        Message("system", (Text("s"),)),
        Message("user", (Text("a"),)),
        format=ResponseFormat("json"),
        reasoning=Reasoning(True),
        extras={"keep_alive": "5m", "options": {"num_ctx": 9}},
        stream=True,
    )
    assert body == {
        "model": "m",
        "prompt": "s\n\na",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert warnings == ["raw", "format", "think", "keep_alive", "options.num_ctx"]
    assert written()[0] == {"model": "m", "prompt": ""}
    assert "stream_options" not in written(stream=True, quirks=Quirks(usage_in_stream=False))[0]


def test_a_gap_is_told_as_such() -> None:
    """The suffix is what comes after it; pictures beside a prompt are refused."""
    body, warnings = written(Message("user", (Text("a"),)), suffix="b")
    assert (body["prompt"], body["suffix"], warnings) == ("a", "b", ["suffix"])
    with pytest.raises(Untranslatable, match="images"):
        written(Message("user", (Text("a"), Image("AA"))))


def test_a_completion_goes_back_as_it_came() -> None:
    """A prompt of another shape too."""
    for prompt in ("a", ["a"], ["a", "b"], [1]):
        body = {"model": "m", "prompt": prompt, "n": 2, "min_p": 0.1}
        notes = Notes("openai.completion", "openai")
        assert encode_request(decode_request(body), notes) == body and notes.warnings == []


# ---- replies -----------------------------------------------------------------------------------------------------


def test_a_reply_is_read() -> None:
    """Choices by their index; an unknown reason is a stop."""
    obj = {
        "id": "c",
        "model": "m",
        "created": 5,
        "choices": [{"text": "a", "index": 1, "finish_reason": "length"}, {"text": None, "finish_reason": "x"}, "x"],
        "usage": {"prompt_tokens": 1},
    }
    choices = (Choice(1, (Text("a"),), "length"), Choice(0, (Text(""),), "stop"))
    assert decode_reply(obj) == Reply("c", "m", choices, Usage(1), 5)
    assert decode_reply({"choices": None, "id": 5}) == Reply("", "", ())


def test_a_reply_is_written() -> None:
    """Its text only; the official client reads it."""
    parts = (Thinking("hm"), Text("a"), Text("b"), ToolCall("c", "f", "{}"))
    obj = encode_reply(Reply("", "", (Choice(0, parts, None),), Usage(1, 2)), STAMP)
    read = Completion.model_validate(obj)
    assert (read.id, read.model, read.created, read.object) == ("cmpl-abc", "asked", 1_700_000_000, "text_completion")
    assert (read.choices[0].text, read.choices[0].finish_reason) == ("ab", "stop")
    assert read.usage is not None and read.usage.total_tokens == 3


# ---- streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "events"),
    [
        pytest.param({"choices": [{"text": "a"}]}, [TextDelta(0, "a")], id="text"),
        pytest.param({"choices": [{"index": 1, "text": "a"}]}, [TextDelta(1, "a")], id="another-choice"),
        pytest.param(
            {"choices": [{"text": "", "finish_reason": "length"}]},
            [TextDelta(0, ""), Finish(0, "length")],
            id="the-end",
        ),
        pytest.param(
            {"choices": [{"finish_reason": "odd"}]}, [TextDelta(0, ""), Finish(0, "stop")], id="an-odd-reason"
        ),
        pytest.param({"choices": [], "usage": {"prompt_tokens": 1}}, [UsageSeen(Usage(1))], id="usage"),
        pytest.param({"error": "no", "choices": [{"text": "a"}]}, [Failed("no")], id="an-error"),
        pytest.param({"choices": [5], "usage": 5}, [], id="other-types"),
        pytest.param({}, [], id="empty"),
    ],
)
def test_each_kind_of_chunk(data: dict[str, Any], events: list[StreamEvent]) -> None:
    """A second chunk does not begin the reply again."""
    decoder = CompletionDecoder()
    decoder.started = True
    assert decoder.feed(data) == events


def test_the_first_chunk_begins_the_reply() -> None:
    """With its id, model and time."""
    decoder = CompletionDecoder()
    chunk = {"id": "c", "model": "m", "created": 5, "choices": [{"text": "a"}]}
    assert [*decoder.feed(chunk), *decoder.feed(chunk)] == [Start("c", "m", 5), TextDelta(0, "a"), TextDelta(0, "a")]


def test_a_stream_in_full(decode: Any) -> None:
    """Thoughts and calls have no place; every cut of it reads the same."""
    encoder = CompletionEncoder(STAMP)
    events: list[StreamEvent] = [
        Start("", ""),
        ThinkingDelta(0, "hm"),
        TextDelta(0, "é😀"),
        ToolDelta(0, 0, "c", "f", "{}"),
        Finish(0, "length"),
        UsageSeen(Usage(1, 2)),
        End(),
    ]
    data = b"".join(encoder.feed(event) for event in events)
    assert data.endswith(b"data: [DONE]\n\n")
    whole = decode("openai.completion", [data])
    assert whole == [
        Start("cmpl-abc", "asked", 1_700_000_000),
        TextDelta(0, "é😀"),
        TextDelta(0, ""),
        Finish(0, "length"),
        UsageSeen(Usage(1, 2, total=3)),
        End(),
    ]
    for pieces in every_split(data):
        assert decode("openai.completion", pieces) == whole


def test_a_failure_is_the_last_chunk() -> None:
    """Without [DONE]."""
    data = CompletionEncoder(STAMP).feed(Failed("no", None, "c"))
    error = {"message": "no", "type": "server_error", "param": None, "code": "c"}
    assert json.loads(data.removeprefix(b"data: ")) == {"error": error}
