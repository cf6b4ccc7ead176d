"""The table of what is refused, dropped or changed: each row happens as it is written, to each server it names.

`tests/data/translation/limits.json` has, for each field and each format, what a client sends to come upon the row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.dialects.neutral.fields import arguments_object
from switchman.addons.core.dialects.neutral.form import FormatName, Stamp
from switchman.addons.core.dialects.neutral.limits import (
    LIMITS,
    Limit,
    Malformed,
    Notes,
    Untranslatable,
    limit_for,
    says_nothing,
)
from switchman.addons.core.dialects.translate import translate_request
from switchman.addons.core.request.call import DialectName

SAMPLES = json.loads((Path(__file__).parents[4] / "data" / "translation" / "limits.json").read_text())
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
BASE: dict[FormatName, dict[str, Any]] = {
    "openai.chat": CHAT,
    "openai.completion": {"prompt": "hi"},
    "openai.responses": {"input": "hi"},
    "ollama.chat": CHAT,
    "ollama.generate": {"prompt": "hi"},
    "anthropic.messages": {**CHAT, "max_tokens": 9},
}


def translated(format: FormatName, target: DialectName) -> bool:
    """Whether a client of the format is ever translated to a server of the dialect."""
    return CODECS[format].dialect != target or format == "openai.responses"


def sample(row: Limit, format: FormatName) -> dict[str, Any] | None:
    by_format = SAMPLES.get(f"{row.field}:{row.treatment}", SAMPLES[row.field])
    found: dict[str, Any] | None = by_format.get(format)
    return found


CASES = [
    pytest.param(row, format, target, id=f"{row.field}-{format}-{target}")
    for row in LIMITS
    for format in row.formats
    for target in row.targets
    if translated(format, target) and sample(row, format) is not None
]


@pytest.mark.parametrize(("row", "format", "target"), CASES)
def test_a_row_says_what_happens(row: Limit, format: FormatName, target: DialectName) -> None:
    """A refusal with the row's reason, or a warning with its verdict and reason."""
    endpoint = endpoint_of("POST", CODECS[format].path)
    assert endpoint is not None
    body = {"model": "m", **BASE[format], **(sample(row, format) or {})}
    if row.treatment == "refuse":
        with pytest.raises(Untranslatable) as refused:
            translate_request(endpoint, body, target, Stamp("a", 0.0, "m"))
        assert refused.value.reason == row.reason
        return
    warnings = translate_request(endpoint, body, target, Stamp("a", 0.0, "m")).warnings
    done = "dropped" if row.treatment == "drop" else "changed"
    assert any(f" was {done} for the {target} dialect: {row.reason}" in warning for warning in warnings), warnings


def test_every_row_has_a_sample() -> None:
    """Each row, each of its formats and servers: a row that nothing comes upon should not be there."""
    missing = [
        f"{row.field}: {format}"
        for row in LIMITS
        for format in row.formats
        if sample(row, format) is None or not any(translated(format, target) for target in row.targets)
    ]
    assert missing == []


@pytest.mark.parametrize("target", ["ollama", "anthropic"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/chat/completions", {**CHAT, "n": 1, "modalities": ["text"], "logprobs": False}),
        ("/v1/chat/completions", {"messages": [{"role": "assistant", "content": "a", "tool_calls": []}]}),
        ("/v1/completions", {"prompt": "hi", "n": 1, "best_of": 1, "echo": False, "suffix": ""}),
    ],
)  # fmt: skip
def test_a_field_with_its_default_is_neither_refused_nor_warned_of(
    path: str, said: dict[str, Any], target: DialectName
) -> None:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    out = translate_request(endpoint, {"model": "m", "max_tokens": 9, **said}, target, Stamp("id", 0, "m"))
    assert out.warnings == ()


@pytest.mark.parametrize("target", ["openai", "anthropic"])
def test_an_ollama_clients_empty_suffix_and_template_leave_a_conversation(target: DialectName) -> None:
    endpoint = endpoint_of("POST", "/api/generate")
    assert endpoint is not None
    said = {"model": "m", "prompt": "hi", "suffix": "", "template": "", "context": [], "options": {"num_predict": 9}}
    out = translate_request(endpoint, said, target, Stamp("id", 0, "m"))
    assert out.warnings == ()
    assert out.body["messages"] == [{"role": "user", "content": "hi"}]


def test_members_that_clients_always_send_empty_are_not_warned_of() -> None:
    """Ollama's `format`, and the annotations that OpenAI's clients send back with an answer."""
    for path, said in (
        ("/api/chat", {**CHAT, "format": "", "options": {"num_predict": 9}}),
        (
            "/v1/chat/completions",
            {"messages": [*CHAT["messages"], {"role": "assistant", "content": "a", "annotations": []}]},
        ),
    ):
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        out = translate_request(endpoint, {"model": "m", "max_tokens": 9, **said}, "anthropic", Stamp("id", 0, "m"))
        assert not any("format" in line or "annotations" in line for line in out.warnings)


@pytest.mark.parametrize("content", [["hi"], 5, {"type": "text", "text": "hi"}])
def test_content_of_another_shape_is_refused_and_not_left_out(content: Any) -> None:
    for path, target in (("/v1/chat/completions", "ollama"), ("/v1/messages", "openai")):
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
        with pytest.raises(Malformed, match=r"messages\[0\]\.content"):
            translate_request(endpoint, body, target, Stamp("id", 0, "m"))  # type: ignore[arg-type]


def test_brackets_without_end_in_arguments_and_in_errors_are_text() -> None:
    deep = "[" * 200_000
    assert arguments_object(deep) == {"raw_arguments": deep}
    assert decode_error(500, deep.encode()).message == deep[:500]


def test_what_is_lost_again_and_again_is_one_warning() -> None:
    """A long conversation's trace is not longer than a short one's: the first place, and how many more there are."""
    turn = [
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "a"}],
        },
        {"role": "user", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
    ]
    endpoint = endpoint_of("POST", "/v1/messages")
    assert endpoint is not None
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}, *turn * 50]}
    assert translate_request(endpoint, body, "openai", Stamp("id", 0, "m")).warnings == (
        "messages[1].thinking (and 49 more) was dropped for the openai dialect: "
        "thoughts of earlier turns are not sent back",
        "messages[2].content[0].cache_control (and 49 more) was dropped for the openai dialect: "
        "prompt caching is the server's affair",
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        (
            "/v1/messages",
            {
                "tools": [
                    {"type": "web_search_20250305", "name": "web_search"},
                    {"name": "f", "input_schema": {"type": "object"}},
                ],
                "tool_choice": {"type": "tool", "name": "web_search"},
            },
        ),
        ("/v1/responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}], "input": "hi"}),
        (
            "/v1/responses",
            {
                "tools": [{"type": "code_interpreter"}, {"type": "function", "name": "f", "parameters": {}}],
                "tool_choice": {"type": "code_interpreter"},
                "input": "hi",
            },
        ),
    ],
)
def test_a_hosted_tool_that_is_alone_or_has_to_be_called_is_refused(path: str, body: dict[str, Any]) -> None:
    """Claude Code's WebSearch asks so: without the tool the answer would be no search at all."""
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    for target in ("ollama", "openai"):
        with pytest.raises(Untranslatable, match=r"tools \((web_search_20250305|code_interpreter)\)"):
            translate_request(endpoint, {**CHAT, "model": "m", "max_tokens": 9, **body}, target, Stamp("id", 0, "m"))  # type: ignore[arg-type]


# ---- the table ---------------------------------------------------------------------------------------------------


def test_the_table_names_each_case_once() -> None:
    """No two rows answer for the same field, client and server."""
    cases = [(row.field, origin, target) for row in LIMITS for origin in row.formats for target in row.targets]
    assert len(cases) == len(set(cases))


def test_a_row_is_found_by_field_format_and_target() -> None:
    """All three have to fit."""
    row = limit_for("top_k", "ollama.chat", "openai")
    assert row is not None and row.reason == "not part of this API"
    assert limit_for("top_k", "openai.chat", "openai") is limit_for("nothing", "ollama.chat", "openai") is None


@pytest.mark.parametrize(
    ("name", "value", "nothing"),
    [
        pytest.param("anything", None, True, id="null"),
        pytest.param("anything", False, False, id="false-without-a-default"),
        pytest.param("n", 1, True, id="default"),
        pytest.param("n", 2, False, id="not-the-default"),
        pytest.param("n", True, False, id="true-is-not-one"),
        pytest.param("echo", 0, False, id="zero-is-not-false"),
        pytest.param("metadata", {}, True, id="empty-object"),
        pytest.param("metadata", [], False, id="empty-list-for-an-object"),
    ],
)
def test_a_default_says_nothing(name: str, value: Any, nothing: bool) -> None:
    """Many clients write it out; a value of another type is something that was said."""
    assert says_nothing(name, value) is nothing


# ---- notes -------------------------------------------------------------------------------------------------------


def test_each_treatment_is_told_in_its_words() -> None:
    """Dropped, changed, for this server only, for this model only; a field of no row is dropped too."""
    notes = Notes("ollama.chat", "openai")
    notes.lose("keep_alive")
    notes.lose("messages.image", "messages[1] (image in a tool result)")
    notes.lose("new_option")
    notes.drop("user", "it refuses it")
    notes.change("messages", "it wants so")
    assert notes.warnings == [
        "keep_alive was dropped for the openai dialect: the server decides how long a model stays loaded",
        "messages[1] (image in a tool result) was changed for the openai dialect: "
        "an image in a tool's result becomes a user message",
        "new_option was dropped: the openai dialect has no place for it",
        "user was dropped for this server: it refuses it",
        "messages was changed for this model: it wants so",
    ]


def test_a_refusal_names_the_place() -> None:
    """It is raised at once, with the reason of the row and the target."""
    notes = Notes("openai.chat", "ollama")
    with pytest.raises(Untranslatable) as refused:
        notes.lose("messages.content", "messages[3].content[0] (audio)")
    assert (refused.value.field, refused.value.target) == ("messages[3].content[0] (audio)", "ollama")
    assert str(refused.value) == (
        "messages[3].content[0] (audio): a part of this type (the chosen server speaks the ollama dialect)"
    )
    assert notes.warnings == []


def test_the_same_field_at_many_places_is_one_warning() -> None:
    """The first place is named; the same place twice counts once."""
    notes = Notes("openai.chat", "ollama")
    for index in (0, 2, 2, 14):
        notes.lose("messages.name", f"messages[{index}].name")
    notes.lose("messages.name", "messages[0].content[1].name")
    assert [warning.partition(" was ")[0] for warning in notes.warnings] == [
        "messages[0].name (and 2 more)",
        "messages[0].content[1].name",
    ]


def test_all_that_says_something_is_lost() -> None:
    """Options one by one, with the prefix for the table and the place for the reader."""
    notes = Notes("ollama.chat", "anthropic")
    notes.lose_all({"options": {"num_ctx": 1, "mirostat": None}, "suffix": "", "truncation": None, "x": 0})
    notes.lose_all({"name": "n"}, "messages.", "messages[1].")
    notes.lose_all({"strict": True}, "tools.")
    assert [warning.partition(" was ")[0] for warning in notes.warnings] == [
        "options.num_ctx",
        "options.mirostat",
        "x",
        "messages[1].name",
        "tools.strict",
    ]


def test_a_malformed_request_says_what_was_expected() -> None:
    """Both errors are ValueErrors with a field, so that one place answers them."""
    error = Malformed("messages", "a list")
    assert (str(error), error.field) == ("messages: expected a list", "messages")
    assert isinstance(error, ValueError)
