"""Cases for scripts/fuzz: what a client sends, and what a server answers, each good or mutated at one level.

    bytes     flips, cuts, insertions and repetitions in a body
    json      values of other kinds, keys gone, twice, or in another case, deep and long structures
              of a form: fields twice, and parts with odd heads
    http      the head and the framing: fields twice, lengths that lie, chunks that are cut
    events    SSE events or NDJSON lines of an answer: gone, twice, in another order, cut, with junk between

The same seed and number give the same case. Everything here is pure; fuzz.py runs it.
"""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from fuzz_corpus import PATHS, Dialect, Operation, Recordings, answers_of, requests_of

Level = Literal["none", "bytes", "json", "http", "events"]

_ODD_TEXTS: Final = [
    "", "\0", "\ud83d", "\u202e", "é" * 300, "a" * 70_000, "<think>", "</think>x", "```json\n{}", "{", "null", "-1",
    "data: [DONE]\n\n", "\r\n", "\u2028", "𝕏" * 50, "model", "../../etc/passwd", "%00", "${jndi:x}", "' OR 1=1",
]  # fmt: skip
_ODD_VALUES: Final[list[Any]] = [
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**63, 10**400, [], {}, [[]], [None], [{}], {"": ""}, "", "x",
    {"type": "text"}, [{"type": "text", "text": None}], float("nan"), float("inf"), *_ODD_TEXTS,
]  # fmt: skip
# Bytes of JSON: more than MAX_BODY_BYTES, so that there are refusals. A client that sends many times that before it
# reads is cut off before it sees its 413 (DISCARD_FACTOR of proxy/client_connection.py), and to make it takes minutes.
LARGEST: Final = 40_000_000
# Values in what is repeated: to change JSON of many more takes gigabytes here.
MOST_VALUES: Final = 1_000_000
MOST_PLACES: Final = 20_000  # of which one is chosen for a change
_JUNK: Final = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\r",
    b"\xff",
    b"\xef\xbb\xbf",
    b'"',
    b"{",
    b"}",
    b"\\u",
    b"data:",
    b"\x1f\x8b",
]
_FIELDS: Final = [
    b"content-length: 5", b"content-length: -1", b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked",
    b"content-encoding: gzip", b"content-encoding: br", b"content-type: text/html", b"content-type: text/event-stream",
    b"content-type: application/x-ndjson", b"connection: close", b"connection: keep-alive, content-type", b"x: \x01",
    b"set-cookie: switchman_session=x", b"x-accel-redirect: /x", b"refresh: 0", b": empty", b"odd name: x", b"x" * 9000,
    b"upgrade: h2c", b"expect: 100-continue", b"host: other", b" folded", b"x: a\rb", b"retry-after: 99999999999",
    b"content-type: multipart/form-data; boundary=b", b"x-switchman-cache: refresh", b"trailer: x", b"te: trailers",
]  # fmt: skip


@dataclass(slots=True)
class Case:
    """What is sent to the router, in pieces, and what its server answers. `good_http`: the request is well framed."""

    path: str
    dialect: Dialect
    server: Dialect
    request: list[bytes]
    answer: list[bytes]
    good_http: bool
    mutated: tuple[Level, Level]
    name: str = ""

    def to_json(self) -> str:
        packed = {
            "path": self.path, "dialect": self.dialect, "server": self.server, "good_http": self.good_http,
            "mutated": self.mutated, "name": self.name,
            "request": [base64.b64encode(piece).decode() for piece in self.request],
            "answer": [base64.b64encode(piece).decode() for piece in self.answer],
            "request_text": b"".join(self.request).decode("latin-1")[:4000],
            "answer_text": b"".join(self.answer).decode("latin-1")[:4000],
        }  # fmt: skip
        return json.dumps(packed, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Case:
        packed = json.loads(text)
        pieces = {key: [base64.b64decode(piece) for piece in packed[key]] for key in ("request", "answer")}
        levels: tuple[Level, Level] = (packed["mutated"][0], packed["mutated"][1])
        return cls(
            packed["path"], packed["dialect"], packed["server"], pieces["request"], pieces["answer"],
            packed["good_http"], levels, packed["name"],
        )  # fmt: skip


@dataclass(slots=True)
class Maker:
    """Makes case `number` of a seed."""

    seed: int
    recordings: Recordings = field(default_factory=dict)

    def case(self, number: int) -> Case:
        rng = random.Random(f"{self.seed}/{number}")  # nosec B311  # the same case each time
        dialect, operation = rng.choice(list(PATHS))
        server: Dialect = rng.choice(["openai", "ollama", "anthropic"])
        body = copy.deepcopy(rng.choice(requests_of(dialect, operation)))
        body = {"model": f"{server[:2]}/m{rng.randrange(50)}", **body}
        stream = bool(body.get("stream", dialect == "ollama" and operation != "embedding"))
        same = server == dialect or operation in ("embedding", "transcription")
        kind: Operation = operation if same else "chat"
        if operation == "completion" and server in ("openai", "ollama"):
            kind = "completion"
        pieces = rng.choice(answers_of(server, kind, stream) + self.recordings.get((server, kind, stream), []))
        levels: tuple[Level, Level] = ("none", "none")
        which = rng.random()
        if which < 0.55:
            levels = (rng.choice(["bytes", "json", "json", "http"]), levels[1])
        if which > 0.45:
            levels = (levels[0], rng.choice(["bytes", "json", "http", "events"]))
        path = PATHS[dialect, operation]
        sent, good = _request(rng, path, body, levels[0], number)
        answer = _answer(rng, pieces, stream, server, levels[1])
        return Case(path, dialect, server, sent, answer, good, levels, f"seed {self.seed}, number {number}")


def _request(
    rng: random.Random, path: str, body: dict[str, Any], level: Level, number: int
) -> tuple[list[bytes], bool]:
    form = path == PATHS["openai", "transcription"]
    if form:
        content = _form(rng, body, odd=level == "json")
    elif level == "json":
        content = mutated_json(rng, body, keep=rng.random() < 0.7)
    else:
        content = json.dumps(body).encode()
    if level == "bytes":
        content = mutated_bytes(rng, content)
    kind = b"multipart/form-data; boundary=b" if form else b"application/json"
    head = [b"POST %b HTTP/1.1" % path.encode(), b"Host: localhost", b"Content-Type: " + kind]
    head.append(b"X-Case: %d" % number)  # by which the server knows what it is to answer
    if path == "/v1/messages":
        head.append(b"anthropic-version: 2023-06-01")
    if level != "http":
        head.append(b"Content-Length: %d" % len(content))
        return [b"\r\n".join([*head, b"", content])], True
    return _broken_http(rng, head, content), False


def _form(rng: random.Random, fields: dict[str, str], odd: bool) -> bytes:
    """The fields as multipart/form-data with the boundary `b`. `odd`: with up to three changes of its parts."""
    parts = []
    for name, value in fields.items():
        file = '; filename="a b.wav"' if name == "file" else ""
        parts.append((f'Content-Disposition: form-data; name="{name}"{file}', value))
    for _ in range(rng.randint(1, 3) if odd else 0):
        at = rng.randrange(len(parts))
        head, value = parts[at]
        change = rng.randrange(6)
        if change == 0:
            parts.insert(at, (head, str(rng.choice(_ODD_VALUES))))
        elif change == 1:
            parts[at] = (head.replace('name="', rng.choice(["name=", "name*=", 'NAME="', 'name="x"; name="'])), value)
        elif change == 2:
            parts[at] = (rng.choice([head.title(), head.upper(), head.replace(": ", ":"), f"X: y\r\n {head}"]), value)
        elif change == 3:
            parts[at] = (head + "\r\n" + rng.choice(["Content-Type: text/plain; charset=utf-7", "X: \0", ": y"]), value)
        elif change == 4:
            parts = parts * rng.choice([2, max(1, 400 // len(parts))])
        else:
            parts[at] = (head, rng.choice(_ODD_TEXTS))
    text = "".join(f"--b\r\n{head}\r\n\r\n{value}\r\n" for head, value in parts) + "--b--\r\n"
    return text.encode("utf-8", "replace")


def _answer(rng: random.Random, pieces: list[bytes], stream: bool, server: Dialect, level: Level) -> list[bytes]:
    kind = (b"application/x-ndjson" if server == "ollama" else b"text/event-stream") if stream else b"application/json"
    if level == "events":
        pieces = _mutated_events(rng, pieces)
    elif level == "json":
        pieces = list(_some_within(rng, pieces))
    elif level == "bytes":
        pieces = _split(rng, mutated_bytes(rng, b"".join(pieces)))
    status = (
        b"200 OK"
        if rng.random() < 0.9
        else rng.choice([b"400 Bad", b"401 No", b"404 No", b"429 Slow", b"500 Oh", b"503 Oh", b"302 Go"])
    )
    head = [b"HTTP/1.1 " + status, b"Content-Type: " + kind]
    content = b"".join(pieces)
    if level == "http":
        return _broken_http(rng, head, content)
    if stream:
        head.append(b"Transfer-Encoding: chunked")
        chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
        return [b"\r\n".join([*head, b"", b""]), *chunks, b"0\r\n\r\n"]
    head.append(b"Content-Length: %d" % len(content))
    return [b"\r\n".join([*head, b"", content])]


def _broken_http(rng: random.Random, head: list[bytes], content: bytes) -> list[bytes]:
    """The message with odd heads and framing, sent in odd pieces."""
    lines = list(head)
    for _ in range(rng.randrange(3)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_FIELDS))
    if rng.random() < 0.3:
        lines[rng.randrange(len(lines))] = mutated_bytes(rng, rng.choice(lines))
    if rng.random() < 0.5:
        lines.append(b"Content-Length: %d" % max(0, len(content) + rng.choice([0, 0, 0, 1, -1, 1000])))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        parts = _split(rng, content)
        sizes = [b"%x" % (len(part) + (rng.choice([1, -1, 2**40]) if rng.random() < 0.05 else 0)) for part in parts]
        content = b"".join(size + b"\r\n" + part + b"\r\n" for size, part in zip(sizes, parts, strict=True))
        content += rng.choice(
            [b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"", b"0\r\n", b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"]
        )
    end = rng.choice([b"\r\n", b"\r\n", b"\r\n", b"\n"])
    return _split(rng, end.join([*lines, b"", content]))


def _split(rng: random.Random, data: bytes) -> list[bytes]:
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


def mutated_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes with up to four changes."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, other = rng.randrange(len(made) + 1), rng.randrange(len(made) + 1)
        low, high = min(at, other), min(max(at, other), min(at, other) + 40)
        change = rng.randrange(6)
        if change == 0 and made:
            made[at % len(made)] = rng.randrange(256)
        elif change == 1:
            del made[low:high]
        elif change == 2:
            made[at:at] = rng.choice(_JUNK)
        elif change == 3:
            made[at:at] = made[low:high] * rng.choice([1, 2, 500])
        elif change == 4:
            del made[at:]
        else:
            made[low:high] = bytes(rng.randrange(256) for _ in range(high - low))
    return bytes(made)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members: Iterable[Any] = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members if len(path) < 20 else ():
        yield from _places(member, (*path, key))


def _repeated(value: Any, times: int) -> list[Any]:
    """The value as often as that, or twice where that would be more than `LARGEST` bytes or `MOST_VALUES` values.

    Each is another object: what a further change repeats within one of them is not repeated within them all.
    """
    try:
        text = json.dumps(value)
        fits = len(text) * times <= LARGEST and (text.count(",") + text.count("[") + 1) * times <= MOST_VALUES
        return [json.loads(text) for _ in range(times if fits else 2)]
    except (RecursionError, ValueError):
        return [value] * 2


def mutated_json(rng: random.Random, value: Any, keep: bool) -> bytes:
    """JSON text with up to three changes of structure. `keep`: the member `model` stays as it is."""
    value = copy.deepcopy(value)
    twice: list[str] = []
    for _ in range(rng.randint(1, 3)):
        found = islice(_places(value), MOST_PLACES)
        places = [place for place in found if place and not (keep and place[0] == "model")]
        if not places:
            break
        *parents, last = rng.choice(places)
        holder = value
        for key in parents:
            holder = holder[key]
        pick = rng.randrange(7)
        if pick == 0:
            del holder[last]
        elif pick == 1 and isinstance(holder, dict):
            holder[rng.choice([str(last).title(), str(last).upper(), f"{last}x", "\u017f", ""])] = holder[last]
        elif pick == 2 and isinstance(last, str):
            twice.append(last)
        elif pick == 3:
            deep: Any = holder[last]
            for _ in range(rng.choice([3, 50, 1200])):
                deep = [deep] if rng.random() < 0.5 else {"a": deep}
            holder[last] = deep
        elif pick == 4:
            holder[last] = _repeated(holder[last], rng.choice([2, 300]))
        else:
            holder[last] = rng.choice(_ODD_VALUES)
    try:
        text = json.dumps(value)
    except (RecursionError, ValueError):
        text = "[" * 3000
    for key in twice:
        text = text.replace(f'"{key}":', f'"{key}": {json.dumps(rng.choice(_ODD_VALUES[:13]))}, "{key}":', 1)
    return text.encode("utf-8", "replace")


def _json_within(rng: random.Random, piece: bytes) -> bytes:
    """An event, or a whole body, with its JSON mutated."""
    begin, end = piece.find(b"{"), piece.rfind(b"}") + 1
    try:
        return piece[:begin] + mutated_json(rng, json.loads(piece[begin:end]), keep=False) + piece[end:]
    except ValueError:
        return piece


def _some_within(rng: random.Random, pieces: list[bytes]) -> Iterator[bytes]:
    """Some of the pieces mutated, until one of them has become very large: a stream of many such fills the memory."""
    grown = 0
    for piece in pieces:
        made = _json_within(rng, piece) if grown < LARGEST and rng.random() < 0.4 else piece
        grown += max(0, len(made) - len(piece))
        yield made


def _mutated_events(rng: random.Random, pieces: list[bytes]) -> list[bytes]:
    made = list(pieces)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(made)) if made else 0
        change = rng.randrange(8)
        if change == 0 and made:
            del made[at]
        elif change == 1 and made:
            made.insert(at, made[at])
        elif change == 2:
            rng.shuffle(made)
        elif change == 3:
            made.insert(
                at,
                rng.choice(
                    [
                        b": ping\n\n",
                        b"\n" * 500,
                        b"\r" * 500,
                        b"data: {\n\n",
                        b"event: error\ndata: {}\n\n",
                        b'{"error":"x"}\n',
                        b"retry: 1\n\n",
                        b"data: [DONE]\n\n",
                        b"\0",
                        b"id: 1\n",
                    ]
                ),
            )
        elif change == 4 and made:
            made[at] = made[at][: rng.randrange(len(made[at]) + 1)]
        elif change == 5 and made:
            made[at] = made[at].replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n"]))
        elif change == 6:
            del made[at:]
        elif made:
            made[at] = made[at].replace(b"data: ", rng.choice([b"data:", b"DATA: ", b"data:  ", b"dat: "]))
    return [piece for piece in made if piece]
