"""Where on a server a request goes: servers with the API's own paths, without a version, and Azure's."""

from __future__ import annotations

import pytest

from switchman.addons.core.servers.reaching.addressing import API_VERSION, address, is_azure, path_style
from switchman.addons.core.servers.servers import PathStyle, Server
from switchman.addons.core.servers.urls import parse

CHAT = "/v1/chat/completions"
AZURE = "https://r.openai.azure.com"


def server(url: str, path: PathStyle = "join") -> Server:
    return Server("s", parse(url, query=True), path=path)


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("https://h/v1", CHAT, "/v1/chat/completions"),
        ("https://h/v1?team=a", CHAT, "/v1/chat/completions?team=a"),
        ("https://h?team=a", f"{CHAT}?team=b&x=1", "/v1/chat/completions?x=1&team=a"),
        ("https://h", f"{CHAT}?x=%20", "/v1/chat/completions?x=%20"),
    ],
)
def test_a_servers_own_query_goes_before_the_clients(url: str, path: str, expected: str) -> None:
    """Under a name that both have; without one the client's is left to the byte."""
    assert address(server(url), path) == expected


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("https://h", CHAT, "/chat/completions"),
        ("https://h/inference", CHAT, "/inference/chat/completions"),
        ("https://h/v3", CHAT, "/v3/chat/completions"),
        ("https://h/models?api-version=v", f"{CHAT}?x=1", "/models/chat/completions?x=1&api-version=v"),
        ("https://h/run/chat/completions", CHAT, "/run/chat/completions"),
        ("https://h/base", "/v2/rerank", "/base/rerank"),
        ("https://h/base", "/rerank", "/base/rerank"),
        ("https://h/base", "/v1/models", "/base/models"),
        ("https://h/base", "/api/chat", "/base/api/chat"),
        ("https://h/base", "/v1", "/base"),
        ("https://h", "/", "/"),
    ],
)
def test_a_path_that_is_taken_as_it_is(url: str, path: str, expected: str) -> None:
    """No version is added; the URL may be the operation's own."""
    assert address(server(url, "as_is"), path) == expected


@pytest.mark.parametrize(
    ("url", "path", "model", "expected"),
    [
        (AZURE, CHAT, "gpt", f"/openai/deployments/gpt/chat/completions?api-version={API_VERSION}"),
        (f"{AZURE}/openai", CHAT, "gpt", f"/openai/deployments/gpt/chat/completions?api-version={API_VERSION}"),
        (f"{AZURE}/?api-version=v", CHAT, "a/b c", "/openai/deployments/a%2Fb%20c/chat/completions?api-version=v"),
        (f"{AZURE}?api-version=v", "/v1/embeddings", "e", "/openai/deployments/e/embeddings?api-version=v"),
        (f"{AZURE}?api-version=v", "/v1/audio/speech", "s", "/openai/deployments/s/audio/speech?api-version=v"),
        (f"{AZURE}?api-version=v", "/v1/images/edits", "i", "/openai/deployments/i/images/edits?api-version=v"),
        (f"{AZURE}?api-version=v", "/v1/responses", "gpt", "/openai/responses?api-version=v"),
        (f"{AZURE}?api-version=v", "/v1/models", "", "/openai/models?api-version=v"),
        (f"{AZURE}?api-version=v", "/openai/files?x=1", "", "/openai/files?x=1&api-version=v"),
        (f"{AZURE}/openai/v1", CHAT, "gpt", "/openai/v1/chat/completions"),
        (f"{AZURE}/openai/v1?api-version=preview", CHAT, "gpt", "/openai/v1/chat/completions?api-version=preview"),
        (
            f"{AZURE}/openai/deployments/d?api-version=v", CHAT, "gpt",
            "/openai/deployments/d/chat/completions?api-version=v",
        ),
        (
            f"{AZURE}/openai/deployments/d/chat/completions?api-version=v", CHAT, "gpt",
            "/openai/deployments/d/chat/completions?api-version=v",
        ),
        ("https://gateway/llm", CHAT, "gpt", f"/llm/openai/deployments/gpt/chat/completions?api-version={API_VERSION}"),
    ],
)  # fmt: skip
def test_azures_paths(url: str, path: str, model: str, expected: str) -> None:
    """The model is the deployment, where the operation has one; every request has a version."""
    assert address(server(url, "azure"), path, model) == expected


def test_whose_api_version_it_is() -> None:
    """The URL's, then the client's, then the latest."""
    for url, asked, query, expected in [
        (f"{AZURE}?api-version=url", "client", "", "url"),
        (AZURE, "client", "", "client"),
        (AZURE, "", "?api-version=query", "query"),
        (AZURE, "", "", API_VERSION),
    ]:
        found = address(server(url, "azure"), CHAT + query, "m", asked)
        assert found == f"/openai/deployments/m/chat/completions?api-version={expected}"


@pytest.mark.parametrize(
    "url", [*(f"{AZURE}{path}" for path in ("", "/openai", "/openai/v1")), "https://r.services.ai.azure.com"]
)
def test_azures_hosts_are_known(url: str) -> None:
    """Where nobody says how its paths are made."""
    assert path_style(parse(url)) == "azure" and is_azure(server(url, "azure"))


@pytest.mark.parametrize(
    "url", ["https://api.openai.com/v1", "https://openai.azure.com.evil", "https://r.services.ai.azure.com/models"]
)
def test_other_addresses_are_joined(url: str) -> None:
    """Also what Azure has beside OpenAI's API."""
    assert path_style(parse(url)) == "join" and not is_azure(server(url))
