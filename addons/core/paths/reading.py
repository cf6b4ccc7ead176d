"""Read a request line once: method and path -> what it is, in one canonical form.

    read(method, path) -> Reading

1. A path that has another meaning for one reader than for the next is "malformed": dot segments (also with spaces,
   `;x`, `%3fx` about them), backslashes, control characters, escaped or not, in wide letters (U+FF0E) or in more bytes
   than UTF-8 takes for them; and an operation's path in another spelling (`/v1/%63hat/completions`, `;x`, capitals,
   wide letters).
2. Empty segments and a slash at the end are dropped, then the noise of base URLs (`tables.is_noise`): what is left is
   looked up. So is what follows an operation, whose URL somebody took for the base URL.
   `/openai/deployments/NAME/...` is Azure's, and names the model.
3. Behind any other prefix an operation or a list is known by its whole path, `/v1/...` or `/api/...`. The prefix is
   kept: to DEFAULT_UPSTREAM it may mean something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import unquote, unquote_to_bytes

from switchman.addons.core.paths.tables import (
    ANTHROPIC,
    BY_MODEL,
    MANAGEMENT,
    OLLAMA,
    OPENAI,
    QUESTIONS,
    SHOW,
    Question,
    is_noise,
)
from switchman.addons.core.request.call import DialectName, Endpoint, Operation

Kind = Literal[Question, "operation", "show", "management", "other", "malformed"]

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")
# RFC 3629 section 3: bytes that are in no UTF-8, by which lenient readers are told of dots and slashes (C0 AE is one);
# and %u002e, as IIS has it.
_NO_UTF8: Final = re.compile(rb"[\xc0\xc1\xf5-\xff]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|%[uU][0-9A-Fa-f]{4}")
_AFTER: Final = re.compile(r"[;?#]")  # what follows it in a segment is not of its name, to some reader
_ROUNDS: Final = 3  # of unescaping: as often as any reader behind us may do it
_TABLES: Final[tuple[tuple[DialectName, dict[str, Operation]], ...]] = (
    ("openai", OPENAI), ("anthropic", ANTHROPIC), ("ollama", OLLAMA), ("openai", BY_MODEL),
)  # fmt: skip
_WHOLE: Final = {
    path: Endpoint(dialect, operation, path) for dialect, table in _TABLES for path, operation in table.items()
}
_ENDPOINTS: Final = {
    **{path.removeprefix("/v1"): endpoint for path, endpoint in _WHOLE.items() if path.startswith("/v1/")},
    **_WHOLE,
}
_LONGEST: Final = 4  # segments of the longest path in the tables
_ONLY_EXACT: Final[dict[str, Kind]] = {"/healthz": "healthz", "/readyz": "readyz"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request line says.

    `path` is canonical, without a query; of what is not known ("other") it is the path as it was sent. `endpoint`: the
    operation, also where the method is not its own. `model`: the one that an Azure path names, or the id of
    `/v1/models/{id}`. `dialect`: the one that the path tells. `problem`: of what is malformed, for its sender.
    `azure`: the path is one of Azure's. `prefix`: what stood before `path`, where it is more than noise.
    """

    kind: Kind
    path: str
    endpoint: Endpoint | None = None
    model: str = ""
    dialect: DialectName | None = None
    problem: str = ""
    azure: bool = False
    prefix: str = ""


def read(method: str, path: str) -> Reading:
    """What a request is. `path` may have a query, which is not read."""
    path = path.partition("?")[0]
    if (endpoint := _WHOLE.get(path)) is not None:  # most requests
        return Reading("operation", path, endpoint, dialect=endpoint.dialect)
    if problem := _problem(path):
        return Reading("malformed", path, dialect=_guessed(path), problem=problem)
    found = _known(method, path)
    if found is not None:
        return found
    plain = _folded(path)
    meant = _known("POST", plain) if plain != path else None
    if meant is None or meant.kind != "operation":
        return Reading("other", path, dialect=_guessed(path))
    problem = f"The path is not written as it should be: did you mean {meant.path}?"
    return Reading("malformed", path, dialect=meant.dialect, problem=problem)


def without_noise(path: str) -> str:
    """What follows the noise of base URLs, as `/responses/compact`; "/" where all of it is noise. Without a query."""
    segments = [segment for segment in path.split("/") if segment]
    return "/" + "/".join(segments[(_begin(segments) or (len(segments),))[-1] :])


def _problem(path: str) -> str:
    """Why no path like this is read, or passed on: a server's base path might be left by it. "" if it is one."""
    raw = path.encode("utf-8", "surrogateescape" if _is_of_bytes(path) else "surrogatepass")
    for _ in range(_ROUNDS + 1):
        if _NO_UTF8.search(raw):
            return "The path has bytes in it that are no UTF-8."
        decoded = _plain(raw.decode("utf-8", "replace"))
        if _UNSAFE.search(decoded):
            return "The path has a backslash or a control character in it."
        if any(_AFTER.split(segment, maxsplit=1)[0].strip() in (".", "..") for segment in decoded.split("/")):
            return "The path has a segment . or .. in it."
        if b"%" not in raw:
            break
        raw = unquote_to_bytes(raw)
    return ""


def _is_of_bytes(path: str) -> bool:
    """Whether each half of a surrogate pair in it stands for a byte, as mitmproxy reads what is no UTF-8."""
    return path.isascii() or not any("\ud800" <= char < "\udc80" or "\udcff" < char <= "\udfff" for char in path)


def _plain(text: str) -> str:
    """Wide and other compatible letters as the plain ones that some readers take them for."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _folded(path: str) -> str:
    """The path as a lenient reader might take it."""
    decoded = path
    for _ in range(_ROUNDS):
        if "%" in decoded:
            decoded = unquote(decoded)
    segments = re.split(r"[?#]", _plain(decoded).lower(), maxsplit=1)[0].split("/")
    return "/".join(segment.partition(";")[0].strip().rstrip(". ") for segment in segments)


def _known(method: str, path: str) -> Reading | None:
    asks = method.upper() in ("GET", "HEAD")
    if asks and (kind := _ONLY_EXACT.get(path.rstrip("/"))) is not None:
        return Reading(kind, path.rstrip("/"))
    segments = [segment for segment in path.split("/") if segment]
    if (begin := _begin(segments)) is None:  # nothing but a base URL
        return Reading("root", "/") if asks else None
    for at in begin:
        if found := _at(asks, segments[at:]):
            return found
    return _repeated(asks, segments, begin) or _behind(asks, segments)


def _begin(segments: Sequence[str]) -> tuple[int, ...] | None:
    """Where an operation may begin, once the noise is dropped; None where all of it is noise.

    The last segment of the noise comes first: it may be the operation's own /v1 or /api.
    """
    begin = next((at for at, segment in enumerate(segments) if not is_noise(segment)), None)
    return None if begin is None else (begin - 1, begin) if begin else (begin,)


def _repeated(asks: bool, segments: Sequence[str], begin: Sequence[int]) -> Reading | None:
    """What follows a whole operation: somebody took its URL for the base URL (`/v1/messages/v1/messages`)."""
    for at in begin:
        for end in range(at + 1, at + _LONGEST + 1):
            rest = segments[end:]
            if "/" + "/".join(segments[at:end]) in _ENDPOINTS and (starts := _begin(rest)) is not None:
                return next((found for start in starts if (found := _at(asks, rest[start:]))), None)
    return None


def _behind(asks: bool, segments: Sequence[str]) -> Reading | None:
    """An operation by its whole path, `/v1/...` or `/api/...`, behind segments that are not known."""
    for at, segment in enumerate(segments):
        if segment not in ("v1", "v2", "api"):
            continue
        tail = segments[at : at + _LONGEST + 1]
        found = _at(asks, segments[at:] if tail[1:2] == ["models"] else tail)
        if found is not None and found.kind != "management":  # `/shop/api/delete` is somebody else's
            return replace(found, prefix="/" + "/".join(segments[:at]))
    return None


def _at(asks: bool, segments: Sequence[str]) -> Reading | None:
    """What these segments are, from the first to the last; None if nothing begins and ends there."""
    short = "/" + "/".join(segments[: _LONGEST + 1])
    if (endpoint := _ENDPOINTS.get(short)) is not None:
        return Reading("operation", endpoint.path, endpoint, dialect=endpoint.dialect)
    if segments[0] == "deployments" and len(segments) > 2:
        return _azure(segments[1], "/".join(segments[2:]))
    if asks and (question := QUESTIONS.get(short)) is not None:
        dialect: DialectName | None = None if question == "models" else "ollama"
        return Reading(question, "/v1/models" if question == "models" else short, dialect=dialect)
    if short == SHOW:
        return Reading("show", SHOW, dialect="ollama")
    if (short + "/").startswith(tuple(f"{one.rstrip('/')}/" for one in MANAGEMENT)):
        return Reading("management", "/" + "/".join(segments), dialect="ollama")
    where = 1 if segments[0] == "v1" else 0
    if asks and segments[where : where + 1] == ["models"] and len(segments) > where + 1:
        name = unquote("/".join(segments[where + 1 :]))
        return Reading("model", f"/v1/models/{'/'.join(segments[where + 1 :])}", model=name)
    return None


def _azure(deployment: str, rest: str) -> Reading:
    """https://learn.microsoft.com/azure/ai-services/openai/reference: /openai/deployments/NAME/chat/completions."""
    path = f"/v1/{rest}"
    known = _WHOLE.get(path) or Endpoint("openai", "other", path)
    return Reading("operation", path, known, model=unquote(deployment), dialect="openai", azure=True)


def _guessed(path: str) -> DialectName | None:
    return "ollama" if path.lstrip("/").startswith("api/") else None
