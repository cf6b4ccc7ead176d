"""Where on a server a request goes: its path and query there.

    address(server, "/v1/chat/completions?x=1", model) -> what stands in the request line

`Server.path` says how the path is made:
- "join": the server has the API's own paths; a version in its URL is neither doubled nor lost (`urls.join`).
- "as_is": the path of its URL is complete, with or without a version: the operation follows it without the API's /v1.
- "azure": `/openai/deployments/NAME/...`, with the model as NAME and an api-version; a URL that ends in /openai/v1, or
  names a deployment, is taken as it is.
The query of the server's URL goes before what the client sent under the same names.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from switchman.addons.core.paths import named
from switchman.addons.core.paths.tables import is_version
from switchman.addons.core.servers.servers import PathStyle, Server
from switchman.addons.core.servers.urls import BaseURL, join

# The latest of Azure's versions that is no preview: "API version lifecycle" in the docs of Azure OpenAI.
API_VERSION: Final = "2024-10-21"
# Hosts of Azure OpenAI and of Azure AI Foundry. Whatever else these have is below other paths (/models, /anthropic).
_AZURE_HOSTS: Final = (
    ".cognitiveservices.azure.com", ".openai.azure.cn", ".openai.azure.com", ".openai.azure.us",
    ".services.ai.azure.com",
)  # fmt: skip
# Azure has these without a deployment.
_NO_DEPLOYMENT: Final = frozenset({
    "assistants", "batches", "evals", "files", "fine_tuning", "models", "responses", "threads", "uploads",
    "vector_stores",
})  # fmt: skip


def address(server: Server, path: str, model: str = "", api_version: str = "") -> str:
    """The path and query to request. `path`: canonical, or as the client sent it, with its query.

    `model`: as the server calls it. `api_version`: what a client of Azure's asked for.
    """
    path, _, query = path.partition("?")
    own, base = server.url.query, server.url
    if server.path == "azure":
        target, versioned = _azure(base, path, model)
        asked = named.value(own, "api-version") or named.value(query, "api-version") or api_version
        if asked or not versioned:
            query = named.beside(query, f"api-version={named.quoted(asked or API_VERSION)}")
    else:
        target = _as_is(base, path) if server.path == "as_is" else join(base, path)
    query = named.beside(query, own)
    return f"{target}?{query}" if query else target


def path_style(url: BaseURL) -> PathStyle:
    """How paths are made at this address, where nobody says it: at Azure's own hosts as Azure has them."""
    return "azure" if url.host.endswith(_AZURE_HOSTS) and url.path.split("/")[1:2] in ([], ["openai"]) else "join"


def is_azure(server: Server) -> bool:
    """Whether a server looks for a key in `api-key`."""
    return server.path == "azure"


def _as_is(base: BaseURL, path: str) -> str:
    first, _, rest = path.lstrip("/").partition("/")
    if first == "api":
        return join(base, path)
    rest = rest if is_version(first) else path.lstrip("/")
    if not rest or base.path.endswith(f"/{rest}"):  # the URL of the operation itself
        return base.path or "/"
    return f"{base.path}/{rest}"


def _azure(base: BaseURL, path: str, model: str) -> tuple[str, bool]:
    """The path, and whether its version stands in it."""
    segments = base.path.split("/")
    if "deployments" in segments:
        return _as_is(base, path), False
    if is_version(segments[-1]):
        return join(base, path), True
    if path.startswith("/openai/"):
        return base.path.removesuffix("/openai") + path, False
    first, _, rest = path.lstrip("/").partition("/")
    rest = rest if is_version(first) else path.lstrip("/")
    where = "" if not model or rest.partition("/")[0] in _NO_DEPLOYMENT else f"/deployments/{quote(model, safe='')}"
    return f"{base.path.removesuffix('/openai')}/openai{where}/{rest}", False
