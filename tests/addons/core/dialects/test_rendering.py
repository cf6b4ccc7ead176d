"""Rendering: what goes out to one server, to the byte where the dialects are the same."""

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.dialects.translate import Malformed, Untranslatable
from switchman.addons.core.paths.reading import read
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, DialectName, Endpoint, Form
from switchman.addons.core.request.unambiguous.multipart import with_field
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Quirks, Server
from switchman.addons.core.servers.urls import parse


def rendered(
    path: str, text: str, model: str, think: bool | None, dialect: DialectName | None = None, **quirks: Any
) -> Rendered:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    body, spans = jsonedit.parse(text)
    call = Call(endpoint, "", text, body, spans, body["model"], False)
    asked = ThinkingChoice(think) if think is not None else None
    profile = ServerProfile(dialect, think=asked, usage=False, quirks=Quirks(**quirks))
    return render(call, Candidate(Server("s", parse("http://s")), model), profile, Stamp("id", 0.0, body["model"]))


OPENAI = '{"model": "m",  "x": 1.50, "messages": [{"role":"user","content":"hi\\u00e9"}], "reasoning_effort" : "high"}'
OLLAMA = '{"model":"qwen3", "messages":[{"role":"user","content":"hi"}], "options": {"seed":1}}'
CLAUDE = '{"model":"claude",  "max_tokens":9000, "temperature": 0.5, "messages":[{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(
    ("path", "text", "think", "expected"),
    [
        ("/v1/chat/completions", OPENAI, None, OPENAI),
        ("/v1/chat/completions", OPENAI, True, OPENAI),  # it asks for thoughts itself
        ("/v1/chat/completions", OPENAI, False, OPENAI.replace('"high"', '"none"')),
        ("/api/chat", OLLAMA, False, OLLAMA[:-1] + ',"think":false}'),
        ("/api/chat", OLLAMA, True, OLLAMA[:-1] + ',"think":true}'),
        ("/v1/messages", CLAUDE, False, CLAUDE),  # it does not think by itself
        (
            "/v1/messages",
            CLAUDE,
            True,
            CLAUDE.replace('"temperature": 0.5, ', "")[:-1] + ',"thinking":{"type":"enabled","budget_tokens":4096}}',
        ),
    ],
)
def test_only_what_says_whether_to_think_is_changed(path: str, text: str, think: bool | None, expected: str) -> None:
    """All else stays to the byte: spaces, numbers, escapes, unknown fields."""
    out = rendered(path, text, "", think)
    assert out.content == expected
    assert out.edited is (expected != text)


def test_a_template_is_told_where_the_server_has_one() -> None:
    """Qwen on vLLM; the words of the person stay as they are."""
    text = '{"model":"x","messages":[{"role":"user","content":"hi"}]}'
    out = rendered("/v1/chat/completions", text, "Qwen/Qwen3-8B", False, sampling_extensions=True)
    sent = json.loads(out.content)
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["messages"] == [{"role": "user", "content": "hi"}]
    soft = rendered("/v1/chat/completions", text, "Qwen/Qwen3-8B", False)
    assert json.loads(soft.content)["messages"][0]["content"] == "hi /no_think"


@pytest.mark.parametrize(
    ("dialect", "think", "key", "expected"),
    [
        ("ollama", False, "think", False),
        ("ollama", True, "think", "high"),
        ("anthropic", False, "thinking", {"type": "disabled"}),
        ("anthropic", True, "thinking", {"type": "enabled", "budget_tokens": 8192}),
        ("anthropic", None, "thinking", {"type": "enabled", "budget_tokens": 8192}),
    ],
)
def test_a_translated_request_is_told_in_the_servers_words(
    dialect: DialectName, think: bool | None, key: str, expected: Any
) -> None:
    """The request's own effort, high, is 8192 tokens of thinking, unless the rule says not to think."""
    out = rendered("/v1/chat/completions", OPENAI, "other", think, dialect)
    assert json.loads(out.content)[key] == expected


@pytest.mark.parametrize(
    ("model", "quirks", "how", "words"),
    [
        ("qwen3", {"sampling_extensions": True, "effort_none": False}, "chat_template_kwargs.enable_thinking", "false"),
        ("deepseek-chat", {"thinking_switch": "thinking", "effort_none": False}, "thinking", '"disabled"'),
        ("gpt-5.1", {"effort_none": False}, "reasoning_effort", '"none"'),
        ("gpt-4o", {"effort_none": False}, "There is no way to tell gpt-4o not to think", ""),
        ("gpt-4o", {}, "", '"reasoning_effort":"none"'),
    ],
)
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/chat", OLLAMA[:-1] + ', "think": false}'),
        ("/v1/messages", CLAUDE[:-1] + ', "thinking": {"type": "disabled"}}'),
    ],
)
def test_a_client_that_wants_no_thoughts_is_heard_in_the_servers_way(
    path: str, text: str, model: str, quirks: Any, how: str, words: str
) -> None:
    """Where the word for it is not known to the server, its own way is taken; without one, the trace says so."""
    out = rendered(path, text, model, None, "openai", **quirks)
    assert how in out.thinking.how
    assert words in out.content


def test_a_schema_is_narrowed_where_the_server_takes_no_other() -> None:
    """Gemini behind OpenAI's dialect: the rest of the text stays to the byte, and the trace has a line."""
    wide = '{"type":"object","properties":{"a":{"type":"string","format":"uri"}},"additionalProperties":false}'
    narrow = '{"type":"object","properties":{"a":{"type":"string"}}}'
    text = OPENAI[:-1] + ', "tools": [{"type":"function", "function": {"name":"f", "parameters": %s}}]}'
    out = rendered("/v1/chat/completions", text % wide, "", None, narrow_schemas=True)
    assert out.content == text % narrow
    assert ["Gemini" in line.detail for line in out.trace_lines("g/m")] == [True]
    assert rendered("/v1/chat/completions", text % narrow, "", None, narrow_schemas=True).content == text % narrow
    assert rendered("/v1/chat/completions", text % wide, "", None).content == text % wide


RERANK = '{"model": "m",  "query": "q", "documents": ["a", "b"]}'


def passed(
    path: str, text: str = "", model: str = "real", *, named: str = "m", query: str = "", form: Any = None
) -> Rendered:
    """A call whose model may be named anywhere, for `model` on a server of its own dialect."""
    endpoint = read("POST", path).endpoint or Endpoint("openai", "other", path)
    body, spans = jsonedit.parse(text) if text else (form[1] if form else {}, {})
    call = Call(endpoint, query, text, body, spans, named, False, form[0] if form else None)
    stamp = Stamp("id", 0.0, "m")
    return render(call, Candidate(Server("s", parse("http://s")), model), ServerProfile("openai", usage=False), stamp)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/infill", "/tokenize", "/v1/audio/speech", "/un/known"])
@pytest.mark.parametrize(
    ("text", "query", "expected", "new"),
    [
        (RERANK, "", RERANK.replace('"m"', '"real"'), ""),
        (RERANK, "a=1&model=m", RERANK.replace('"m"', '"real"'), "a=1&model=real"),
        ('{"input":"x"}', "model=m&b=%20", '{"input":"x"}', "model=real&b=%20"),
        ("", "model=m", "", "model=real"),
    ],
)
def test_a_model_is_renamed_where_it_was_named(path: str, text: str, query: str, expected: str, new: str) -> None:
    """In the body, in the query; whatever the path is, everything else stays to the byte."""
    out = passed(path, text, query=query)
    assert (out.path, out.content) == (f"{path}?{new}" if new else path, expected)
    assert out.edited is (text != expected)
    same = passed(path, text, "", query=query)
    assert (same.path, same.content, same.edited) == (f"{path}?{query}" if query else path, text, False)


def test_a_model_that_the_path_named_is_put_into_the_body() -> None:
    """In the place of another one that stands there, too."""
    for text in ('{"messages":[]}', '{"messages":[],"model":"other"}'):
        out = passed("/v1/chat/completions", text, "", named="deployed")
        assert json.loads(out.content) == {"messages": [], "model": "deployed"} and out.edited


@pytest.mark.parametrize("server", ["ollama", "anthropic", "openai"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"])
def test_a_translated_request_has_it_too(path: str, server: DialectName) -> None:
    """Where the server knows it by the client's own name; another one that stands in the body does not count."""
    if path == "/v1/embeddings" and server == "anthropic":
        return  # it has none
    for text in ('{"messages":[],"input":"x"}', '{"messages":[],"input":"x","model":"other"}'):
        body, spans = jsonedit.parse(text)
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        call = Call(endpoint, "", text, body, spans, "deployed", False)
        profile = ServerProfile(server, responses=False)
        out = render(call, Candidate(Server("s", parse("http://s")), ""), profile, Stamp("i", 0.0, "deployed"))
        assert json.loads(out.content)["model"] == "deployed"


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nRIFF\r\n--b--\r\n'


def test_a_form_gets_the_model_that_the_path_named() -> None:
    """As a field more, where it has none; a form that named its model in the query keeps it there."""
    form = (Form(MULTIPART, None, b"b"), {"model": "", "stream": False})
    out = passed("/v1/audio/transcriptions", model="", named="whisper", form=form)
    assert out.edited and out.data == with_field(MULTIPART, b"b", "model", "whisper")
    out = passed("/v1/audio/transcriptions", named="m", query="model=m", form=form)
    assert (out.path, out.edited) == ("/v1/audio/transcriptions?model=real", False)
    out = passed("/v1/audio/transcriptions", named="", form=form)
    assert not out.edited  # a form that needs no model


def test_the_model_of_an_urlencoded_form_is_renamed() -> None:
    """Quoted as such a form has it."""
    form = (Form(b"a=1&model=m&b=%20", (10, 11)), {"model": "m", "stream": False})
    out = passed("/v1/score", model="org/x y", form=form)
    assert out.edited and out.data == b"a=1&model=org/x+y&b=%20"


def test_what_is_passed_on_is_translated_for_nobody() -> None:
    """A server of another dialect cannot be asked it."""
    for path in ("/v1/rerank", "/un/known", "/v1/images/edits"):
        endpoint = read("POST", path).endpoint or Endpoint("openai", "other", path)
        call = Call(endpoint, "model=m", "", {}, {}, "m", False)
        with pytest.raises(Untranslatable):
            render(call, Candidate(Server("s", parse("http://s")), ""), ServerProfile("ollama"), Stamp("i", 0.0, "m"))


@pytest.mark.parametrize("dialect", ["openai", "ollama", "anthropic"])
def test_what_is_nested_too_deeply_to_be_written_is_refused(dialect: DialectName) -> None:
    """The parser reads deeper than what follows it can; the client hears what is wrong, and no 500."""
    deep = '{"type":"array","items":' * 2000 + "{}" + "}" * 2000
    text = OPENAI[:-1] + f', "tools": [{{"type":"function", "function": {{"name":"f", "parameters": {deep}}}}}]}}'
    with pytest.raises(Malformed, match="nested less deeply"):
        rendered("/v1/chat/completions", text, "", None, dialect, narrow_schemas=True)
    if dialect == "openai":
        assert rendered("/v1/chat/completions", text, "", None, dialect).content == text
