"""Redacting: what a rule calls private does not leave, and comes back into the answer.

    request                the client's call, kept as it is for router and log, and a copy with placeholders for servers
    each attempt           Rewriting starts from the copy, with path and header fields redacted, too
    the answer             Streaming and Processing have a Restorer put the originals back
    its end                the trace counts both

What cannot be searched is refused, and never passed on as it is.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from mitmproxy import http
from mitmproxy.addonmanager import Loader

from switchman.addons.config.secrets.redaction_key import redaction_key
from switchman.addons.core.cache.callers import identity_digest, people_in
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.hopbyhop import OF_ONE_CONNECTION, Fields
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.texts.masking import is_id_name, is_secret_name, is_secret_parameter
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor, merged, told
from switchman.addons.core.texts.redaction.requests import Unreadable, redact_body
from switchman.addons.core.texts.redaction.restoring import Restorer
from switchman.addons.core.texts.unicode import dumps, dumps_large
from switchman.addons.flow.exchange import Exchange, Redaction, exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

LAYER = "redaction"
# Header fields of HTTP and of the dialects, in which programs name themselves and what they take.
PLAIN_FIELDS = frozenset(
    {b"host", b"user-agent", b"accept", b"accept-encoding", b"accept-language", b"accept-charset", b"content-type",
     b"content-length", b"content-encoding", b"date", b"via", b"expect", b"traceparent", b"tracestate"}
)  # fmt: skip
PLAIN_PREFIXES = (b"x-stainless-", b"anthropic-", b"openai-", b"sec-", b"x-switchman-")
LIKE_IDS = frozenset({"secret", "phone", "card", "ssn"})
_BETWEEN = re.compile(r"([/?&=;+#])")


class Redacting:
    """Writes placeholders for all that is private in a request, once, for all of its attempts.

    Writes: redaction, trace, cache.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._key: bytes | None = None

    def load(self, loader: Loader) -> None:
        """A key that cannot be used stops the start, where rules need one."""
        if self.runtime.rules.current.redactions():
            self._redactor(self.runtime.rules.current.redactions(), "")

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable where the request is large, and searched off the event loop."""
        if (x := exchange(flow)) is None or flow.response or x.plan is None or x.sent is None:
            return None
        rules = x.rules or self.runtime.rules.current
        if not (wanted := rules.redact_for(x.plan)):
            return None
        return self._start(flow, x, rules, wanted)

    async def once_more(self, flow: http.HTTPFlow, x: Exchange) -> bool:
        """Redact by a plan that came in the place of the first one, too; False where that refuses the request."""
        assert x.plan is not None
        rules = x.rules or self.runtime.rules.current
        wanted = rules.redact_for(x.plan)
        if x.redaction is not None:  # what the first one wanted stays
            wanted = tuple(dict.fromkeys((*x.redaction.wanted, *wanted)))
            if wanted == x.redaction.wanted:
                return True
        if wanted and (waiting := self._start(flow, x, rules, wanted)) is not None:
            await waiting
        return flow.response is None

    def _start(
        self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, wanted: tuple[Redact, ...]
    ) -> Awaitable[None] | None:
        if x.call is not None and x.call.large:
            return self._request_large(flow, x, rules, wanted)
        self._take(flow, x, rules, wanted, self._redacted)
        return None

    def for_an_arbiter(self, text: str) -> str:
        """`text` without what any rule calls private: which one will decide is not known yet. Raises ValueError."""
        if not (wanted := self.runtime.rules.current.redactions()):
            return text
        return self._redactor(wanted, "arbiter").text(text)

    async def _request_large(self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, wanted: Sequence[Redact]) -> None:
        outcome = await self.runtime.background.run(_outcome, self._redacted, x, wanted)
        self._take(flow, x, rules, wanted, lambda *_: _raised(outcome))

    def _take(self, flow: http.HTTPFlow, x: Exchange, rules: Ruleset, wanted: Sequence[Redact], redacted: Any) -> None:
        rule = merged(wanted).rule
        whose = "The rules redact" if rule == "redact" else f"The rule {rule!r} redacts"
        try:
            x.redaction = redacted(x, wanted)
        except Unreadable as fault:
            message = f"{whose} what goes to servers (`redact`), and {fault}: the request was not passed on."
            flow.response = refusal(x, 403, message)
            return
        except RecursionError:
            flow.response = refusal(x, 400, "The body has values that are nested too deeply.")
            return
        except ValueError as error:
            logger.error("%s", error)
            flow.response = refusal(x, 503, f"{whose} what goes to servers, and the router has no key to do so.")
            return
        assert x.redaction is not None
        x.trace[:] = [line for line in x.trace if line.layer != LAYER]
        x.trace.append(TraceLine(LAYER, "hit" if x.redaction.counts else "miss", _told(x.redaction)))
        if x.redaction.restorer is not None and x.cache is not None and rules.cache.exact.scope == "shared":
            x.cache.keeps = False

    def _redacted(self, x: Exchange, wanted: Sequence[Redact]) -> Redaction:
        assert x.sent is not None
        call = x.call
        if x.handshake is not None:
            raise Unreadable("what goes over a WebSocket cannot be searched")
        if call is None and x.sent.content:
            raise Unreadable("the body of such a request cannot be searched")
        if call is not None and (call.form is not None or (not call.text and x.sent.content)):
            raise Unreadable("a form, or a body that is no JSON, cannot be searched")
        redactor = self._redactor(wanted, _whose(x))
        changed = False
        if call is not None and call.text:
            edits = redact_body(call.body, redactor)
            # Of a key that is there twice a server may take either value, and only one was looked at.
            if changed := bool(edits) or call.repeats:
                call = _edited(call, edits)
        redacted_path(x.sent.path, redactor)  # for what is to be put back: each attempt does it for itself, too
        redacted_fields(x.sent.fields, redactor)
        restorer = Restorer(redactor.originals, in_json=_wants_json(call)) if redactor.originals else None
        return Redaction(tuple(wanted), redactor, call, restorer, changed, redactor.counts.copy())

    def _redactor(self, wanted: Sequence[Redact], whose: str) -> Redactor:
        """Raises ValueError where there is no key."""
        if self._key is None:
            self._key = redaction_key(self.runtime.settings)
        key = hashlib.blake2b(whose.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()
        return Redactor(merged(wanted), key)


class Restoring:
    """Counts what came back.

    Writes: trace.
    """

    def response(self, flow: http.HTTPFlow) -> None:
        x = exchange(flow)
        if x is None or x.redaction is None or x.redaction.restorer is None:
            return
        for place, line in enumerate(x.trace):
            if line.layer == LAYER:
                x.trace[place] = replace(line, detail=_told(x.redaction))

    def error(self, flow: http.HTTPFlow) -> None:
        self.response(flow)


def redacted_path(path: str, redactor: Redactor) -> str:
    """A path with its query, of which each part is looked at as what it stands for. Credentials go as for fields."""
    parts = _BETWEEN.split(path)
    for place, part in enumerate(parts):
        is_value = place >= 2 and parts[place - 1] == "="
        if len(part) > 1 and not (is_value and is_secret_parameter(unquote(parts[place - 2]))):
            parts[place] = _part(part, redactor)
    return "".join(parts)


def _part(part: str, redactor: Redactor) -> str:
    plain = unquote_to_bytes(part).decode("utf-8", "replace")
    redacted = redactor.text(plain)
    return part if redacted == plain else quote(redacted, safe="")


def redacted_fields(fields: Fields, redactor: Redactor) -> Fields:
    """Header fields, but for credentials, which go where the rules say, and those of HTTP and its programs. Of ids only
    what no id looks like: some send an address of mail as one.
    """
    return tuple((name, _field(name, value, redactor)) for name, value in fields)


def _field(name: bytes, value: bytes, redactor: Redactor) -> bytes:
    lower = name.lower().strip()
    if lower in PLAIN_FIELDS or lower in OF_ONE_CONNECTION or lower.startswith(PLAIN_PREFIXES):
        return value
    text = name.decode("latin-1")
    if is_secret_name(text):
        return value
    plain = value.decode("utf-8", "surrogateescape")
    redacted = redactor.text(plain, but=LIKE_IDS if is_id_name(text) else frozenset())
    return value if redacted == plain else redacted.encode("utf-8", "surrogateescape")


def _edited(call: Call, edits: dict[tuple[str | int, ...], Any]) -> Call:
    if call.repeats:
        text = jsonedit.edit((dumps_large if call.large else dumps)(call.body), edits)
    else:
        text = jsonedit.edit(call.text, edits, call.spans)
    body, spans = jsonedit.parse(text)
    return replace(call, text=text, body=body, spans=spans, repeats=False)


def _whose(x: Exchange) -> str:
    """Who asks, as a digest: what is the same in all requests of a conversation, and of nobody else."""
    assert x.sent is not None
    people = people_in(x.call.body) if x.call else ()
    token = x.caller.id if x.caller else ""
    return identity_digest(x.sent.fields, x.sent.path.partition("?")[2], x.client, people, token=token)


def _wants_json(call: Call | None) -> bool:
    """Whether the text of the answer is to be JSON, in whose strings originals are escaped."""
    body = call.body if call is not None else {}
    asked = [body.get("response_format"), body.get("format"), body.get("output_format")]
    asked += [holder.get("format") for name in ("text", "output_config") if isinstance(holder := body.get(name), dict)]
    return any(
        one == "json"
        or (isinstance(one, dict) and one.get("type") not in (None, "text"))
        or (isinstance(one, dict) and ("properties" in one or "$schema" in one))
        for one in asked
    )


def _told(redaction: Redaction) -> str:
    counts = redaction.counts
    if not counts:
        return "redacted: nothing"
    restored = redaction.restorer.restored if redaction.restorer is not None else 0
    return f"redacted: {told(counts)}; {restored} restored"


def _outcome(work: Any, *args: Any) -> Any:
    """What `work` returns or raises, as a value."""
    try:
        return work(*args)
    except (ValueError, RecursionError) as error:
        return error


def _raised(outcome: Any) -> Any:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
