"""A request line is read once, into one canonical form, whatever stands before an operation, however it is spelt."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.paths.reading import Reading, read
from switchman.addons.core.paths.tables import ANTHROPIC, BY_MODEL, MANAGEMENT, OLLAMA, OPENAI, QUESTIONS

OPERATIONS = {**OPENAI, **ANTHROPIC, **OLLAMA, **BY_MODEL}
BASES = (
    "",
    "/",
    "/v1",
    "/api",
    "/openai",
    "/openai/v1",
    "/v1beta/openai",
    "/api/paas/v4",
    "/v1/v1",
    "/OpenAI/",
    "//v1//",
)


@pytest.mark.parametrize("path", OPERATIONS)
def test_an_operation_is_known_behind_every_base_url(path: str) -> None:
    """By the canonical path, in its dialect, and without a prefix that would mean something."""
    for base in BASES:
        whole = path
        if f"/v1{path}" in OPERATIONS and base.rstrip("/").endswith("v1"):
            whole = f"/v1{path}"  # /rerank behind /v1 is another path
        for end in ("", "/", "//", "?a=/v1/messages"):
            found = read("POST", base + path + end)
            assert found.endpoint is not None
            assert (found.kind, found.path, found.endpoint.operation) == ("operation", whole, OPERATIONS[path])
            assert (found.dialect, found.prefix, found.azure) == (found.endpoint.dialect, "", False)


@pytest.mark.parametrize("path", [path for path in (*OPENAI, *ANTHROPIC) if path.startswith("/v1/")])
@pytest.mark.parametrize("base", ["", "/api/", "/openai", "//", "/v1beta/openai"])
def test_a_version_that_was_left_out_is_put_in(base: str, path: str) -> None:
    """`/messages` and `/chat/completions`; but Ollama's `/api/embeddings` is not OpenAI's."""
    short = base + path.removeprefix("/v1")
    assert read("POST", short).path == ("/api/embeddings" if short == "/api//embeddings" else path)


@pytest.mark.parametrize("base", ["/some/tenant", "/switch", "/a/b/c", "/v1/a", "/proxy/x/api"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages/count_tokens", "/api/chat", "/v2/rerank"])
def test_another_prefix_is_kept_beside_the_operation(base: str, path: str) -> None:
    """DEFAULT_UPSTREAM may know it."""
    found = read("POST", f"{base}{path}/")
    assert (found.kind, found.path, found.prefix) == ("operation", path, base)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/threads/x/messages", "/tenant/messages",
        "/tenant/chat/completions", "/shop/rerank", "/v1/messages/batches",
        "/v1/files", "/v1/chat", "/chat", "/login", "/api", "/v1/chat/completions/id", "/messages/x", "/a/api/delete",
        "/v1/responses/id/cancel", "/openai/deployments", "/openai/deployments/x",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_operation_is_none(path: str) -> None:
    """Behind a prefix that is no base URL it takes the whole path; a path that goes on is another one."""
    assert read("POST", path) == Reading("other", path, dialect="ollama" if path.startswith("/api/") else None)


@pytest.mark.parametrize(
    ("method", "path", "kind", "canonical"),
    [
        ("POST", "/v1/chat/completions/chat/completions", "operation", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/v1/chat/completions", "operation", "/v1/chat/completions"),
        ("POST", "/api/v1/messages//v1/messages/", "operation", "/v1/messages"),
        ("POST", "/chat/completions/embeddings", "operation", "/v1/embeddings"),
        ("POST", "/api/chat/api/generate", "operation", "/api/generate"),
        ("GET", "/v1/chat/completions/models", "models", "/v1/models"),
        ("GET", "/v1/messages/v1/models/m", "model", "/v1/models/m"),
        ("GET", "/api/chat/api/tags", "tags", "/api/tags"),
        ("GET", "/v1/chat/completions/id", "other", "/v1/chat/completions/id"),
        ("GET", "/v1/chat/completions/id/messages", "other", "/v1/chat/completions/id/messages"),
        ("GET", "/v1/messages/v1", "other", "/v1/messages/v1"),
    ],
)
def test_an_operation_taken_for_the_base_url(method: str, path: str, kind: str, canonical: str) -> None:
    """What the client added to it counts; what the API itself has below an operation is none."""
    found = read(method, path)
    assert (found.kind, found.path, found.prefix) == (kind, canonical, "")


@pytest.mark.parametrize("path", [path for path in QUESTIONS if path.count("/") == 2])
def test_a_list_is_known_behind_every_prefix(path: str) -> None:
    """Whether it is asked for with GET or HEAD."""
    for base in ("", "/", "/v1", "/api", "/ollama", "/openai/v1", "/some/tenant"):
        for method, end in [("GET", ""), ("HEAD", "/"), ("get", "?limit=1")]:
            found = read(method, base + path + end)
            assert (found.kind, found.path) == (QUESTIONS[path], path)


@pytest.mark.parametrize("base", ["/v1", "", "/v1/v1", "//v1", "/openai", "/some/tenant/v1"])
@pytest.mark.parametrize(("id", "name"), [("m", "m"), ("a/b", "a/b"), ("a%2Fb:c", "a/b:c"), ("models/v1", "models/v1")])
def test_one_model_is_known_by_its_id(base: str, id: str, name: str) -> None:
    """Its slashes plain or escaped."""
    found = read("GET", f"{base}/models/{id}")
    assert (found.kind, found.model) == ("model", name)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/", "root"), ("HEAD", "/v1", "root"), ("GET", "/ollama/", "root"), ("POST", "/", "other"),
        ("GET", "/healthz", "healthz"), ("GET", "/readyz/", "readyz"), ("GET", "/v1/healthz", "other"),
        ("POST", "/v1/models", "other"), ("DELETE", "/v1/models/x", "other"), ("POST", "/api/show", "show"),
        ("POST", "/v1/api/show", "show"), ("GET", "/metrics", "other"), ("GET", "", "root"),
    ],
)  # fmt: skip
def test_other_questions(method: str, path: str, kind: str) -> None:
    """Each by its own method."""
    assert read(method, path).kind == kind


@pytest.mark.parametrize("path", MANAGEMENT)
def test_the_management_of_ollamas_models(path: str) -> None:
    """Whatever comes behind it, and behind a base URL too."""
    for base, end in [("", ""), ("/ollama", ""), ("/v1", "x/y" if path.endswith("/") else "/x")]:
        found = read("POST", base + path + end)
        assert (found.kind, found.path, found.dialect) == ("management", (path + end).rstrip("/"), "ollama")


@pytest.mark.parametrize(
    ("path", "model", "canonical", "operation"),
    [
        ("/openai/deployments/gpt-4o/chat/completions?api-version=1", "gpt-4o", "/v1/chat/completions", "chat"),
        ("/openai/deployments/a%2Fb%20c/embeddings", "a/b c", "/v1/embeddings", "embedding"),
        ("//openai/deployments/x/completions/", "x", "/v1/completions", "completion"),
        ("/v1/openai/deployments/x/audio/transcriptions", "x", "/v1/audio/transcriptions", "transcription"),
        ("/openai/deployments/x/images/generations", "x", "/v1/images/generations", "image"),
        ("/openai/deployments/x/extensions/chat/completions", "x", "/v1/extensions/chat/completions", "other"),
    ],
)
def test_azures_paths_name_the_model(path: str, model: str, canonical: str, operation: str) -> None:
    """The deployment is the model; the rest is OpenAI's."""
    found = read("POST", path)
    assert found.endpoint is not None and found.azure
    assert (found.path, found.model, found.dialect) == (canonical, model, "openai")
    assert (found.endpoint.path, found.endpoint.operation) == (canonical, operation)


@pytest.mark.parametrize(
    "path",
    [
        "/../v1/messages", "/v1/../admin",
        "/v1/./messages", "/x/%2e%2e/y", "/x/%2E./y", "/x/..%2fy", "/x/%252e%252e/y",
        "/..;a/y", "\\..\\x", "/x/%5c..", "/v1/messages%00", "/v1/mes\tsages", "/v1/%0d%0ax",
        "/v1/models/..%2f..%2fadmin",
        # With what some readers cut off
        "/x/..%20/y", "/x/%20../y", "/x/.. /y", "/x/..%3fy", "/x/..%2523/y", "/x/..%3b/y",
        # In more bytes than UTF-8 takes, escaped or not, and as IIS has it
        "/x/%c0%ae%c0%ae/y", "/x/%C0%AE./y", "/x%c0%afy", "/x/%e0%80%ae%e0%80%ae/y", "/x/%f0%80%80%ae/y",
        "/x/%25c0%25ae/y",
        "/x/\udcc0\udcae\udcc0\udcae/y", "/x/%u002e%u002e/y", "/x/%252e%252e%252fy", "/x/%25252e%25252e/y",
        # In wide letters, and in those of one character that stand for two
        "/x/\uff0e\uff0e/y", "/x/\u2025/y", "/x/..\uff0fy", "/x\uff3c..\uff3cy", "/x/%ef%bc%8e%ef%bc%8e/y",
        "/x/%e2%80%a5/y", "/x/..%ef%bc%8fy",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_may_leave_a_base_path_is_malformed(method: str, path: str) -> None:
    """Dot segments, backslashes and control characters, escaped up to three times, and what some read as these."""
    found = read(method, path)
    assert found.kind == "malformed" and found.problem and found.endpoint is None


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/%63hat/completions", "/v1/chat/completions"), ("/v1/Chat/Completions", "/v1/chat/completions"),
        ("/v1/messages;x=1", "/v1/messages"), ("/v1;a/messages", "/v1/messages"), ("/v1/messages%20", "/v1/messages"),
        ("/v1/messages#x", "/v1/messages"), ("/v1/messages%3fx", "/v1/messages"), ("/api%2fchat", "/api/chat"),
        ("/API/CHAT", "/api/chat"), ("/v1/%2563hat/completions", "/v1/chat/completions"),
        ("/v1/%252563hat/completions", "/v1/chat/completions"), ("/v1/chat/completions.", "/v1/chat/completions"),
        ("/v1/\uff43hat/completions", "/v1/chat/completions"), ("/v1/%ef%bd%83hat/completions", "/v1/chat/completions"),
        ("/v1\uff0fmessages", "/v1/messages"), ("/v1/me\u017fsages", "/v1/messages"),
        ("/v1/messages\uff1bx", "/v1/messages"),
        ("/v1/messages%2523x", "/v1/messages"), ("/some/tenant/v1/Messages", "/v1/messages"),
    ],
)  # fmt: skip
def test_an_operation_in_another_spelling_is_malformed(path: str, meant: str) -> None:
    """It would pass the rules by; its sender is told the spelling that is meant."""
    found = read("POST", path)
    assert found.kind == "malformed" and found.problem.endswith(f"{meant}?")


@pytest.mark.parametrize(
    "path",
    [
        "/files/a%20b",
        "/v1/files/%7Euser",
        "/a;b/c",
        "/x#y",
        "/caf\u00e9",
        "/caf%c3%a9",
        "/caf%e9",
        "/a%zzb",
        "/a..b",
        "/\u2026",
        "/%e6%96%87",
        "/a\udce9",
    ],
)
def test_other_paths_are_left_as_they_are(path: str) -> None:
    """They are passed on to the byte."""
    assert read("GET", path) == Reading("other", path)


def test_a_very_long_path_is_read_at_once() -> None:
    """Of a head of 64 KB; in time that grows with its length."""
    begun = time.process_time()
    for path in (
        "/v1" * 21_000,
        "/v1/x" * 13_000,
        "/api" * 16_000 + "/x",
        "/%2" * 21_000,
        "/v1/models" + "/v1" * 20_000,
    ):
        read("GET", path)
    assert time.process_time() - begun < 1.0


SEGMENTS = ["v1", "api", "chat", "completions", "models", "messages", "deployments", "..", ".", "", "%2e", "x"]


@given(st.text(max_size=40), st.lists(st.sampled_from(SEGMENTS), max_size=7))
def test_no_path_breaks_the_reader(text: str, segments: list[str]) -> None:
    """Whatever it is, it has one kind; a canonical path is read as itself."""
    for method, path in [("POST", text), ("GET", text), ("POST", "/" + "/".join(segments))]:
        found = read(method, path)
        if found.kind == "operation" and not found.azure:
            assert read("POST", found.path).path == found.path
