"""Heads and traces in SQLite are packed: zstd with a dictionary of what stands in them nearly always.

They are two thirds of a row as text, and a fifth of that so. What is packed is bytes, what is not is text: rows of an
older version, and what gets no shorter. On PostgreSQL the columns are JSON, and stay so.

DICTIONARY is a part of the format: a change would make unreadable what was packed with it. Another one needs another
first byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import zstandard

COLUMNS: Final = ("request_headers", "response_headers", "trace")
FIRST: Final = b"\x01"
LEVEL: Final = 3
MOST: Final = 1 << 20  # bytes that a text may unpack to; heads and traces are bounded far below
DICTIONARY: Final = (
    b'"], ["x-stainless-retry-count", "0"], ["x-stainless-timeout", "600"], ["x-stainless-lang", "python"], '
    b'["x-stainless-lang", "js"], ["x-stainless-package-version", "0.70.0"], ["x-stainless-os", "Linux"], '
    b'["x-stainless-os", "MacOS"], ["x-stainless-arch", "x64"], ["x-stainless-arch", "arm64"], '
    b'["x-stainless-runtime", "node"], ["x-stainless-runtime", "CPython"], ["x-stainless-runtime-version", '
    b'"v24.3.0"], ["x-stainless-async", "false"], ["x-stainless-helper-method", "stream"], '
    b'["anthropic-dangerous-direct-browser-access", "true"], ["anthropic-version", "2023-06-01"], '
    b'["anthropic-beta", '
    b'"claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14"], '
    b'["anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", '
    b'"anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-input-tokens-remaining", '
    b'["x-ratelimit-limit-requests", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-requests", '
    b'"x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", '
    b'"openai-organization", "openai-processing-ms", "openai-version", "2020-10-01"], ["x-request-id", '
    b'"req_["traceparent", "00-"], ["session_id", "x-claude-code-session-id", "originator", "codex_cli_rs"], '
    b'["x-forwarded-for", ["x-forwarded-proto", "https"], ["strict-transport-security", "max-age=31536000; '
    b'includeSubDomains; preload"], ["x-content-type-options", "nosniff"], ["cf-cache-status", "DYNAMIC"], '
    b'["cf-ray", "alt-svc", "h3=\\":443\\"; ma=86400"], ["via", "1.1 google"], ["server", "cloudflare"], ["server", '
    b'"uvicorn"], ["vary", "Origin"], ["access-control-expose-headers", "X-Request-ID"], '
    b'["x-switchman-request-id", "x-switchman-layer", "route"], ["x-switchman-route", "x-switchman-target", '
    b'"x-switchman-attempts", "1"], ["x-switchman-cache", "miss"], ["x-switchman-overhead-ms", '
    b'"0.["accept-language", "*"], ["sec-fetch-mode", "cors"], ["user-agent", "OpenAI/Python 2.["user-agent", '
    b'"claude-cli/2.1.0 (external, cli)"], ["x-app", "cli"], ["accept", "*/*"], ["accept", "application/json"], '
    b'["accept-encoding", "gzip, deflate, br, zstd"], ["connection", "keep-alive"], ["authorization", "Bearer '
    b'sk-ant-\\u2026"], ["x-api-key", "\\u2026"], ["content-length", ""], ["date", "Mon, 30 Nov 2026 09:00:00 GMT"],'
    b' ["cache-control", "no-cache"], ["transfer-encoding", "chunked"], ["content-encoding", "gzip"], '
    b'["content-type", "text/event-stream; charset=utf-8"], [["host", "127.0.0.1:1234"], ["host", '
    b'"localhost:1234"], ["content-type", "application/json"]][{"layer": "limits", "outcome": "skip", "detail": '
    b'"", {"layer": "credentials", "outcome": "skip", "detail": "", "score": null, "elapsed_ms": 0.01, "earlier": '
    b'null}, {"layer": "semantic_cache", "outcome": "miss", "detail": "", "score": 0.", "score": null, '
    b'"elapsed_ms": 0.02, "earlier": null}, {"layer": "exact_cache", "outcome": "miss", "detail": "not answered '
    b'before", "score": null, "elapsed_ms": 0.03, "earlier": null}, {"layer": "model_map", "outcome": "miss", '
    b'"detail": "no entry for this model", {"layer": "alias", "outcome": "hit", "detail": "{"layer": "server", '
    b'"outcome": "hit", "detail": "{"layer": "default", "outcome": "hit", "detail": "{"layer": "semantic", '
    b'"outcome": "miss", "detail": "{"layer": "conversation", "outcome": "miss", "detail": "{"layer": "route", '
    b'"outcome": "hit", "detail": "rule '
)
_WORDS: Final = zstandard.ZstdCompressionDict(DICTIONARY, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def packed_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as SQLite keeps them, with what they take so as their `stored_size`.

    All of them are packed in one call, which lets other threads run meanwhile."""
    if not rows:
        return []
    texts = [row[name].encode() for row in rows for name in COLUMNS]
    compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=_WORDS, write_dict_id=False, write_checksum=False)
    packed = compressor.multi_compress_to_buffer(texts)
    found = []
    for at, row in enumerate(rows):
        short: dict[str, Any] = {}
        less = 0
        for number, name in enumerate(COLUMNS, at * len(COLUMNS)):
            done = FIRST + packed[number].tobytes()
            if len(done) < len(texts[number]):
                short[name] = done
                less += len(texts[number]) - len(done)
        found.append({**row, **short, "stored_size": row["stored_size"] - less})
    return found


def read_json(stored: str | bytes) -> Any:
    """The value of a JSON column of SQLite, packed or not. ValueError where it is neither."""
    if isinstance(stored, str):
        return json.loads(stored)
    if not stored.startswith(FIRST):
        raise ValueError(f"a column begins with {stored[:1]!r}: it was written by a newer version")
    try:
        return json.loads(zstandard.ZstdDecompressor(dict_data=_WORDS).decompress(stored[1:], max_output_size=MOST))
    except zstandard.ZstdError as error:
        raise ValueError(f"a packed column cannot be read: {error}") from error
