"""Base URLs are read strictly and explained kindly; /v1 is neither doubled nor lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.servers.urls import BaseURL, join, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:8000", BaseURL("http", "localhost", 8000, "")),
        ("https://api.openai.com/v1", BaseURL("https", "api.openai.com", 443, "/v1")),
        ("https://api.openai.com/v1/", BaseURL("https", "api.openai.com", 443, "/v1")),
        (" HTTP://Gpu-Server/ ", BaseURL("http", "gpu-server", 80, "")),
        ("http://[::1]:11434", BaseURL("http", "::1", 11434, "")),
        ("http://gpu_1.lan:80", BaseURL("http", "gpu_1.lan", 80, "")),
        ("https://bücher.example/a", BaseURL("https", "xn--bcher-kva.example", 443, "/a")),
    ],
)
def test_reads_a_base_url(text: str, expected: BaseURL) -> None:
    """Scheme and host are lower case, the port is the scheme's own unless given, the path has no slash at its end."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("http://http://localhost:8000", "http:// is written twice"),
        ("http://https://host", "http:// is written twice"),
        ("localhost:8000", "perhaps http://localhost:8000"),
        ("http:/host", "two slashes"),
        ("ftp://host", "http:// or https://"),
        ("http://", "host is missing"),
        ("http:///v1", "host is missing"),
        ("http://:8000", "host is missing"),
        ("http://host:99999", "port is a number"),
        ("http://host:port", "port is a number"),
        ("http://host:0", "port 0"),
        ("http://[::1", "IPv6"),
        ("http://a b", "spaces"),
        ("http://host\\path", "backslashes"),
        ("http://host/v1?key=1", "before the ?"),
        ("http://host/#x", "before the ?"),
        ("http://ho*st", "not a valid name"),
        ("http://-host", "not a valid name"),
    ],
)
def test_explains_what_is_no_base_url(text: str, words: str) -> None:
    """Each way to get a URL wrong has its own sentence."""
    with pytest.raises(ValueError, match=r"^.") as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["http://me:hunter2@host", "me:hunter2@host", "host?key=hunter2", "http://host:hunter2", "http://h?k=hunter2"],
)
def test_errors_never_repeat_what_may_be_a_secret(text: str) -> None:
    """A password, a key in a query, or what stands in a port's place is not in the message."""
    with pytest.raises(ValueError, match=r"^.") as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


def test_a_servers_url_may_have_a_query_without_a_key() -> None:
    """Its text leaves the query out: it is shown in many places."""
    url = parse("https://h/models?api-version=1&x=%20", query=True)
    assert (url.path, url.query, str(url)) == ("/models", "api-version=1&x=%20", "https://h/models")
    for text in (
        "https://h?api-key=hunter2",
        "https://h?x=1&%6Bey=hunter2",
        "https://h?token=hunter2",
        "https://h?x#y",
    ):
        with pytest.raises(ValueError, match="api_key") as caught:
            parse(text, query=True)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["http://localhost:8000", "https://api.openai.com/v1", "http://[fd00::1]:8000/a", "https://h", "http://h:443"],
)
def test_a_base_url_reads_back_as_it_is_written(text: str) -> None:
    """str() gives the text again, without a port that goes without saying."""
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("http://h:8000", "/v1/chat/completions", "/v1/chat/completions"),
        ("http://h:8000/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("https://api.groq.com/openai/v1", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("https://x/openai", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("https://g/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions"),
        ("https://open.bigmodel.cn/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"),
        ("https://openrouter.ai/api/v1", "/v1/chat/completions", "/api/v1/chat/completions"),
        ("https://openrouter.ai/api", "/v1/models", "/api/v1/models"),
        ("https://h/vllm", "/v1/models", "/vllm/v1/models"),
        ("https://api.anthropic.com", "/v1/messages", "/v1/messages"),
        ("https://api.anthropic.com/v1", "/v1/messages", "/v1/messages"),
        ("http://h:11434", "/api/chat", "/api/chat"),
        ("http://h:11434/v1", "/api/chat", "/api/chat"),
        ("http://h:11434/api", "/api/chat", "/api/chat"),
        ("http://h/ollama", "/api/chat", "/ollama/api/chat"),
        ("http://h/ollama/v1", "/api/tags", "/ollama/api/tags"),
        ("http://h/v1", "/v1", "/v1"),
        ("http://h", "/v1", "/v1"),
        ("http://h", "/", "/"),
        ("http://h/base", "/metrics", "/base/metrics"),
        ("http://h/v1", "/v1/models?limit=1", "/v1/models?limit=1"),
        ("http://h/v1beta", "/v1beta/models", "/v1beta/models"),
        ("http://h/v1", "/v1beta/models", "/v1/v1beta/models"),
        ("http://h", "v1/models", "/v1/models"),
        ("http://h:8080/v1", "/tokenize", "/tokenize"),
        ("http://h/llama/v1", "/infill", "/llama/infill"),
        ("http://h/v1", "/rerank", "/v1/rerank"),
        ("http://h", "/rerank", "/rerank"),
        ("http://h/v1", "/v2/rerank", "/v2/rerank"),
        ("http://h/a/v1", "/v2/rerank", "/a/v2/rerank"),
        ("http://h/v2", "/v1/rerank", "/v2/rerank"),
        ("http://h", "/v2/rerank", "/v2/rerank"),
    ],
)
def test_joins_a_path_to_a_base(base: str, path: str, expected: str) -> None:
    """A version in the base makes it complete; Ollama's /api lives beside /v1; a query string is carried along."""
    assert join(parse(base), path) == expected


@given(st.sampled_from(["", "/openai", "/a/b"]), st.sampled_from(["chat/completions", "models", "embeddings"]))
def test_v1_is_there_exactly_once(prefix: str, operation: str) -> None:
    """Whether or not the base ends in /v1, what is asked for is the same."""
    with_version = join(BaseURL("http", "h", 80, prefix + "/v1"), f"/v1/{operation}")
    without = join(BaseURL("http", "h", 80, prefix), f"/v1/{operation}")
    assert with_version == without == f"{prefix}/v1/{operation}"


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is either a base URL that reads back as itself, or a ValueError."""
    try:
        url = parse(text)
    except ValueError:
        return
    assert parse(str(url)) == url
