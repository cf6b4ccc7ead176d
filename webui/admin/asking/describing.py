"""A sentence on its way to rules: the request that goes through the router itself, and what becomes of its answer.

The request is a row of the log like any other, and is kept out of the router's caches both ways: a draft is made anew
each time, and no client gets one for an answer. It runs in a thread of its own, with a deadline.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal

from flask import current_app

from switchman.addons.config.editing.edits import in_order
from switchman.addons.config.editing.emitting import STEP, pairs
from switchman.addons.core.decision.catalogue import read_models
from switchman.addons.core.decision.described.naming import RealNames, real_names
from switchman.addons.core.decision.described.prompting import LONGEST_SENTENCE, messages
from switchman.addons.core.decision.described.replies import MOST_TEXT, Draft, NoDraft, read_draft, read_reply
from switchman.addons.core.dialects.passing.conversation import answered
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.texts.unicode import dumps, read_json
from switchman.addons.store.access.audit import How
from switchman.webui.access.people import web_config
from switchman.webui.admin.asking.owntoken import DESCRIBING, NoToken, own_token
from switchman.webui.admin.asking.sending import Full, Get, Job, Outgoing, Sending
from switchman.webui.admin.changes import Refused, who
from switchman.webui.admin.rules import desk
from switchman.webui.config import AT_STOP

DEADLINE: Final = 300.0  # seconds: a model that thinks long on a small machine
MOST_ANSWER: Final = 8_000_000  # bytes of a streamed answer: some 200 to a token
MOST_SHOWN: Final = 4_000  # characters of an answer that is under way
MOST_PARSED: Final = 400_000  # bytes that are read for that
LONGEST_MODEL: Final = 300  # characters of its name
LISTED_SECONDS: Final = 60.0  # that the router's list of models is taken for
HEAD: Final = (
    ("content-type", "application/json"),
    ("accept", "text/event-stream, application/json"),
    ("user-agent", "switchman-dashboard"),
    ("x-switchman-cache", "bypass"),
    ("cache-control", "no-store"),
)

_EXTENSION: Final = "switchman_describing"
_MAKING = Lock()

Failure = Literal["key", "refused", "model", "limits", "server", "other"]


@dataclass(slots=True)
class Asked:
    """One sentence. `told`: it with those before it, of whose draft it makes another one. `draft`: the text that its
    rules are shown as, "" until there is one; `read`: what was taken of the reply; `reply`: the whole of it.
    `failure`: what kind of error `problem` is.
    """

    job: Job
    sentence: str
    model: str
    told: str = ""
    draft: str = ""
    read: Draft | None = None
    reply: str = ""
    failure: Failure | None = None
    problem: str = ""

    @property
    def is_over(self) -> bool:
        return self.job.is_over

    def shown(self) -> str:
        """How the answer begins, while it comes; of a long one nothing."""
        return _text(bytes(self.job.kept))[:MOST_SHOWN] if len(self.job.kept) <= MOST_PARSED else ""

    def read_answer(self) -> None:
        """Make a draft of what came. Runs in the job's thread."""
        job = self.job
        if job.status != 200:
            self.failure = failure_of(job.status or 0)
            self.problem = error_of(bytes(job.kept)) or f"HTTP {job.status}"
            return
        self.reply = _text(bytes(job.kept))
        try:
            self.read = read_reply(self.reply)
        except NoDraft as error:
            found = answered("openai", "chat", bytes(job.kept))
            said = found.error if found is not None else None
            self.failure, self.problem = ("server", said) if said else ("other", str(error))
            return
        self.draft = draft_text(self.read)


def failure_of(status: int) -> Failure:
    """What a status of the router's says, as a person would: it is the status of the last server, or its own."""
    kinds: dict[int, Failure] = {401: "key", 403: "refused", 404: "model", 402: "limits", 429: "limits"}
    return kinds.get(status, "server" if status >= 500 else "other")


def error_of(body: bytes) -> str:
    """The words of an error, in OpenAI's shape."""
    try:
        found = read_json(body)
    except ValueError:
        return body[:500].decode("utf-8", "replace").strip()
    error = found.get("error") if isinstance(found, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return said if isinstance(said, str) else ""


def draft_text(read: Draft) -> str:
    """The rules as the rules file would have them; a reply that is broken as it came, to be mended."""
    as_it_came = read.text.strip("\n") + "\n"
    if read.document is None:
        return as_it_came
    lines = ["routes:"] if read.rules else ["routes: []"]
    try:
        for rule in read.rules:
            first, *rest = pairs(in_order(rule), 2 * STEP)
            lines += [f"{' ' * STEP}- {first}", *rest]
        text = "\n".join(lines) + "\n"
        return text if read_draft(text).rules == tuple(map(in_order, read.rules)) else as_it_came
    except (ValueError, TypeError):  # a value that no file is written with
        return as_it_came


def _text(body: bytes) -> str:
    found = answered("openai", "chat", body)
    if found is None or not found.reply.choices:
        return ""
    return "".join(text for part in found.reply.choices[0].parts if isinstance(text := getattr(part, "text", ""), str))


@dataclass(slots=True)
class Lists:
    """The router's own list of models, as it was told last."""

    names: tuple[str, ...] = ()
    at: float = float("-inf")
    _lock: Lock = field(default_factory=Lock)

    async def renewed(self, get: Get) -> tuple[str, ...]:
        """With answers to GET. What is not told leaves what was."""
        if time.monotonic() - self.at > LISTED_SECONDS and (body := await get("/v1/models")) is not None:
            try:
                names = tuple(model.id for model in read_models(read_json(body)))
            except ValueError:
                return self.names
            with self._lock:
                self.names, self.at = names, time.monotonic()
        return self.names


class Describing:
    """The sentences of one process."""

    def __init__(self) -> None:
        self._sending = Sending()
        self._asked: dict[str, Asked] = {}
        self._lock = Lock()
        self.lists = Lists()
        self.deadline = DEADLINE

    def find(self, asked_id: str) -> Asked | None:
        return self._asked.get(asked_id)

    def cancel(self, asked_id: str) -> bool:
        return self._sending.cancel(asked_id)

    def stop(self) -> None:
        """The dashboard stops."""
        self._sending.stop()

    def real(self, rules: Ruleset) -> RealNames:
        """What there is to lead to, as far as it is known now."""
        return real_names(rules, self.lists.names)

    def start(
        self,
        sentence: str,
        model: str,
        draft: str,
        rules: Ruleset,
        base: str,
        token: tuple[str, bool] | None,
    ) -> Asked:
        """Ask `model` at the router's address `base` for rules. Raises Full."""

        async def prepared(get: Get) -> Outgoing:
            real = real_names(rules, await self.lists.renewed(get))
            return Outgoing(
                "POST", "/v1/chat/completions", HEAD, body_of(model, messages(sentence, rules, real, draft))
            )

        job = Job(
            secrets.token_hex(10),
            "openai",
            "chat",
            lambda **_: None,
            kind="describing",
            most_kept=MOST_ANSWER,
            deadline=self.deadline,
        )
        asked = Asked(job, sentence, model, sentence)
        job.then = asked.read_answer
        self._sending.start(job, base, prepared, token)
        with self._lock:
            self._asked = {name: one for name, one in self._asked.items() if self._sending.find(name) is not None}
        self.keep(asked)
        return asked

    def keep(self, asked: Asked) -> None:
        """Have it found by its id."""
        with self._lock:
            self._asked[asked.job.id] = asked


def body_of(model: str, said: list[dict[str, str]]) -> bytes:
    """A chat in OpenAI's form, which the router translates. No field that some model refuses is in it."""
    body: dict[str, Any] = {"model": model, "messages": said, "stream": True}
    return dumps(body).encode()


def describing() -> Describing:
    """This app's."""
    extensions = current_app.extensions
    with _MAKING:
        if _EXTENSION not in extensions:
            made = extensions[_EXTENSION] = Describing()
            extensions.setdefault(AT_STOP, []).append(made.stop)
    found: Describing = extensions[_EXTENSION]
    return found


def ask(sentence: str, model: str, draft: str, before: str, how: How) -> Asked:
    """Begin with a sentence, in the name of whoever sends this request. `draft`: rules to be changed, which came of the
    sentences `before`. Raises Refused.
    """
    sentence, model = " ".join(sentence.split()), model.strip()
    if not sentence:
        raise Refused("say in a sentence which requests should go where", 422, "sentence")
    if len(sentence) > LONGEST_SENTENCE:
        raise Refused(f"the sentence is longer than {LONGEST_SENTENCE} characters", 422, "sentence")
    if not model or len(model) > LONGEST_MODEL or not model.isprintable():
        raise Refused("name the model that is to write the rules: an alias, server/model, or auto", 422, "model")
    config, rules = web_config(), desk().rules.current
    try:
        token = own_token(DESCRIBING).text(config.access, who(how)) if config.wants_tokens else None
        asked = describing().start(sentence, model, draft[:MOST_TEXT], rules, config.proxy_url, token)
    except NoToken as error:
        raise Refused(error.text, 409, **error.values) from None
    except Full:
        raise Refused("as many are being asked for as may be at a time: wait for one of them", 429) from None
    if draft and before:
        asked.told = f"{before}; {sentence}"[-2 * LONGEST_SENTENCE :]
    if config.access is not None:
        config.access.audit.record(
            who(how), "rules.describe", desk().name, None, {"model": model, "sentence": sentence}
        )
    return asked
