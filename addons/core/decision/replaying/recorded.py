"""A request as the log has it, as far as decisions hang on it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import DialectName, Operation
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.request.hopbyhop import Fields, end_to_end
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.texts.longtext import decode_utf8
from switchman.addons.core.texts.masking import is_secret_name

MOST_UNPACKED: Final = 64 * 1024 * 1024  # bytes of a body that was sent compressed
# What a row's layer may be that no plug-in is called: see OWN_NAMES of hooks/routing/chain.py.
NO_PLUGINS: Final = frozenset(
    """model_map alias route server list default fallbacks limits balance
    conversation exact_cache semantic_cache semantic arbiter""".split()  # noqa: SIM905 - words, and many
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row of the log: the fields of core/record.py. `dialect` None: it was no request to a model.

    `body` None: it is not kept, or only its beginning. `headers` are masked. `headers_cut`: some were not kept.
    `caller`: by the token that it came with, as that is now; None for none.
    """

    id: str
    started_at: float
    duration_ms: float
    client: str
    dialect: DialectName | None
    operation: Operation | None
    requested_model: str
    layer: str | None
    route: str | None
    server: str | None
    model: str | None
    status: int
    outcome: str
    cache: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    headers_cut: bool = False
    trace: tuple[Mapping[str, Any], ...] = ()
    path: str = ""
    capture: str = "full"
    body: bytes | None = None
    caller: Caller | None = None

    @property
    def ended_at(self) -> float:
        return self.started_at + self.duration_ms / 1000

    @property
    def answered(self) -> bool:
        """Whether the client got an answer whose tokens and time say something."""
        return self.status < 400 and self.outcome in ("ok", "cached")

    @property
    def usage(self) -> Usage | None:
        """Its tokens, as far as the log has them apart: those written to a provider's cache are input there."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        cached = min(self.cached_tokens or 0, self.input_tokens)
        thoughts = min(self.reasoning_tokens or 0, self.output_tokens)
        return Usage(
            input=self.input_tokens - cached, cached=cached, output=self.output_tokens - thoughts, reasoning=thoughts
        )

    def said(self, layer: str) -> str | None:
        """What a layer of `auto` answered: what it found, "" for a miss, None where it was not asked."""
        if self.layer == layer:
            return self.route or ""
        lines = [line for line in self.trace if line.get("layer") == layer]
        if not lines or any(line.get("outcome") == "hit" for line in lines):
            return None
        return None if all(line.get("outcome") == "skip" for line in lines) else ""

    @property
    def fields(self) -> Fields:
        """The header as bytes, as it was sent but for what is masked."""
        return tuple((name.encode(), value.encode("utf-8", "replace")) for name, value in self.headers)


class Asked:
    """A recorded request, read as the proxy reads it: once, for all rules that it is tried by."""

    def __init__(
        self, recorded: Recorded, tasks: TaskRules | None, now: LocalTime | None, most: int = MOST_UNPACKED
    ) -> None:
        """`most`: bytes of a body that is read, once it is unpacked."""
        self.recorded = recorded
        self.now = now
        self.headers = headers_of(recorded.fields)
        self._tasks, self._most = tasks, most
        self._features: Features | None = None
        self._body: Mapping[str, Any] | None = None
        self._is_read = False
        self.conversation: tuple[str | None] | None = None  # its key, once conversations.py has looked for it

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The parsed body; None where it is not kept, or cannot be read."""
        if not self._is_read:
            self._is_read = True
            self._body = read_body(self.recorded, self.headers, self._most)
        return self._body

    @property
    def features(self) -> Features | None:
        """None without a body."""
        if self._features is None and self.body is not None:
            one = self.recorded
            self._features = features_of(self.body, one.dialect, one.operation, self._tasks)
        return self._features

    @property
    def has_masked_key(self) -> bool:
        """Whether the client sent a key of its own, whose digest a rule may name."""
        return any(name in self.headers for name in ("x-api-key", "api-key", "authorization"))

    def hides(self, header: str) -> bool:
        """Whether what the client sent under this name is not known."""
        if header in self.headers:
            return is_secret_name(header) or self.headers[header].startswith("...")
        return self.recorded.headers_cut


def headers_of(fields: Fields) -> dict[str, str]:
    """By lower-case name, as rules see them: hooks/seen.py says why some are left out."""
    found: dict[str, str] = {}
    for name, value in end_to_end(fields):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def read_body(recorded: Recorded, headers: Mapping[str, str], most: int) -> Mapping[str, Any] | None:
    if recorded.body is None:
        return None
    if headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return {"model": recorded.requested_model}  # files, of which no rule reads anything
    try:
        text = decode_utf8(_plain(recorded.body, headers.get("content-encoding", "").strip().lower(), most))
        return jsonedit.parse(text)[0] if text.strip() else {}
    except (ValueError, RecursionError, zlib.error):
        return {} if recorded.operation == "other" else None


def _plain(content: bytes, encoding: str, most: int) -> bytes:
    if encoding in ("", "identity"):
        return content
    plain = zlib.decompressobj(wbits=47).decompress(content, most + 1)
    if len(plain) > most:
        raise ValueError("too long")
    return plain


def was_decided(one: Recorded) -> bool:
    """Whether routing came to decide: not where the request was refused before, or answered by the router itself."""
    if one.dialect is None or one.outcome == "answered":
        return False
    if one.layer is not None:
        return True
    # A plan without a target: it is not recorded, but its trace is.
    return one.status in (403, 404) and any(line.get("layer") in ("route", "default", "alias") for line in one.trace)


LocalTimeOf = Callable[[float], LocalTime]
