"""A request as a Python script, by the official SDK of its dialect: openai, anthropic or ollama. Pure.

What the SDK has no argument for goes into `extra_body`, which it merges into the body. Where the SDK could not say the
same (another operation, a body that is no object, a name twice in it, a NaN), the script sends the bytes with httpx.
"""

from __future__ import annotations

import json
import pprint
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from switchman.webui.pages.story.copies.curl import FILE, KEY

MOST_LITERAL: Final = 300_000  # bytes of a body that stands in the script; a longer one is read from a file


class Sdk(NamedTuple):
    """How one operation is called. `names`: the arguments that its function is known to have."""

    path: str
    call: str
    names: frozenset[str]


_WORDS: Final = {
    "chat": """
        model messages tools tool_choice temperature top_p n stop stream stream_options max_tokens
        max_completion_tokens seed presence_penalty frequency_penalty response_format logprobs top_logprobs
        parallel_tool_calls user""",
    "completion": """
        model prompt suffix max_tokens temperature top_p n stop stream seed presence_penalty frequency_penalty echo
        logprobs best_of user""",
    "responses": """
        model input instructions tools tool_choice temperature top_p stream max_output_tokens previous_response_id
        reasoning text store metadata parallel_tool_calls truncation include user""",
    "embeddings": "model input dimensions encoding_format",
    "messages": """
        model messages max_tokens system tools tool_choice temperature top_p top_k stop_sequences stream metadata
        thinking""",
    "ollama chat": "model messages tools stream think format options keep_alive",
    "ollama generate": """
        model prompt suffix system template context stream think raw format images options keep_alive""",
}
_NAMES: Final = {name: frozenset(words.split()) for name, words in _WORDS.items()}
# What each function cannot do without: a body that lacks it is sent with httpx.
_NEEDED: Final = {"client.messages.create": {"model", "messages", "max_tokens"}}

SDKS: Final[Mapping[tuple[str, str], Sdk]] = {
    ("openai", "chat"): Sdk("/v1/chat/completions", "client.chat.completions.create", _NAMES["chat"]),
    ("openai", "completion"): Sdk("/v1/completions", "client.completions.create", _NAMES["completion"]),
    ("openai", "responses"): Sdk("/v1/responses", "client.responses.create", _NAMES["responses"]),
    ("openai", "embedding"): Sdk("/v1/embeddings", "client.embeddings.create", _NAMES["embeddings"]),
    ("anthropic", "chat"): Sdk("/v1/messages", "client.messages.create", _NAMES["messages"]),
    ("ollama", "chat"): Sdk("/api/chat", "client.chat", _NAMES["ollama chat"]),
    ("ollama", "completion"): Sdk("/api/generate", "client.generate", _NAMES["ollama generate"]),
}


class _Twice(ValueError):
    """A name that stands twice in an object."""


def script(
    dialect: str | None, operation: str | None, method: str, base: str, path: str, headers: Iterable[tuple[str, str]],
    key_header: tuple[str, str], body: bytes,
) -> str:  # fmt: skip
    """The script. `base`: the router's address, without a slash at its end."""
    kept = [*headers]
    sdk = SDKS.get((dialect or "", operation or ""))
    arguments = _arguments(sdk, path, method, body) if sdk is not None else None
    if sdk is None or arguments is None:
        return _by_httpx(method, base, path, kept, key_header, body)
    return _by_sdk(dialect or "", sdk, base, kept, arguments)


def _arguments(sdk: Sdk, path: str, method: str, body: bytes) -> dict[str, Any] | None:
    """The SDK's arguments; None where it could not say the same."""
    if path != sdk.path or method != "POST" or len(body) > MOST_LITERAL:
        return None
    try:
        found = json.loads(body, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "model" not in found or _NEEDED.get(sdk.call, set()) - found.keys():
        return None
    given = {name: value for name, value in found.items() if name in sdk.names}
    more = {name: value for name, value in found.items() if name not in sdk.names}
    if more and sdk.call.startswith(("client.chat", "client.generate")) and sdk.path.startswith("/api/"):
        return None  # Ollama's SDK takes nothing that it does not know
    if sdk.path.startswith("/api/") and "stream" not in given:
        given["stream"] = True  # the API's default; the SDK's is another one
    return given | ({"extra_body": more} if more else {})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _by_sdk(
    dialect: str, sdk: Sdk, base: str, headers: list[tuple[str, str]], arguments: dict[str, Any]
) -> str:  # fmt: skip
    beta = {name: value for name, value in headers if name.lower() in ("anthropic-beta", "openai-beta")}
    lines = {
        "openai": ["from openai import OpenAI", "", f"client = OpenAI(base_url={base + '/v1'!r}, api_key=KEY)"],
        "anthropic": [
            "from anthropic import Anthropic",
            "",
            f"client = Anthropic(base_url={base!r}, api_key=KEY, timeout=3600)",
        ],
        "ollama": [
            "from ollama import Client",
            "",
            f'client = Client(host={base!r}, headers={{"authorization": f"Bearer {{KEY}}"}})',
        ],
    }[dialect]
    imported, _, made = lines
    given = [f"    {name}={_literal(value, 4)}," for name, value in arguments.items()]
    if beta and dialect != "ollama":
        given.append(f"    extra_headers={beta!r},")
    shown = ["for event in answer:", "    print(event)"] if arguments.get("stream") is True else ["print(answer)"]
    return "\n".join(
        [
            "import os",
            "",
            imported,
            "",
            f'KEY = os.environ["{KEY}"]',
            made,
            f"answer = {sdk.call}(",
            *given,
            ")",
            *shown,
            "",
        ]
    )


def _literal(value: Any, indent: int) -> str:
    text = pprint.pformat(value, width=100, sort_dicts=False)
    return text.replace("\n", "\n" + " " * indent)  # lines end between tokens only


def _by_httpx(
    method: str, base: str, path: str, headers: list[tuple[str, str]], key_header: tuple[str, str], body: bytes
) -> str:
    fields = dict(headers)
    if len(body) > MOST_LITERAL:
        data = f'open("{FILE}", "rb").read()  # download the body first'
    else:
        data = repr(body)
    lines = [
        "import os",
        "",
        "import httpx",
        "",
        f'KEY = os.environ["{KEY}"]',
        f"HEADERS = {pprint.pformat(fields, width=100, sort_dicts=False)}",
        f"BODY = {data}",
        f'HEADERS["{key_header[0]}"] = f"{key_header[1]}{{KEY}}"',
        f"with httpx.stream({method!r}, {base + path!r}, headers=HEADERS, content=BODY, timeout=None) as answer:",
        "    print(answer.status_code)",
        "    for text in answer.iter_text():",
        '        print(text, end="")',
        "",
    ]
    return "\n".join(lines)
