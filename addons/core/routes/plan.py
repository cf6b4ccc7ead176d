"""The decision as a value: an ordered list of candidates, and the trace that says why."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from switchman.addons.core.routes.routes import Pool, Stick
from switchman.addons.core.servers.models.thinkers import Thinking
from switchman.addons.core.servers.servers import Server

Outcome = Literal["hit", "miss", "skip", "error"]
# What the servers' lists of models were for a plan: not asked, decisive, or looked through in vain.
ListsUse = Literal["", "used", "missed"]

# Characters of a target, as many as the log keeps. What is remembered of targets is remembered by them, thousands at a
# time, and a model's name is as long as its client wants.
LONGEST: Final = 300
_DIGEST: Final = 16  # characters of them
_ENDS: Final = 4096  # characters at each end of a model's name by which it is told from others


@dataclass(frozen=True, slots=True)
class Earlier:
    """The request whose cached answer was found: its id, the beginning of its prompt, and its duration."""

    request_id: str
    asked: str
    took_ms: float | None


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One layer's result, for a person to read. `layer` is one of LAYERS in decide.py; `detail` is one sentence.

    `earlier`: the request whose answer a cache served, would have served, or rejected.
    """

    layer: str
    outcome: Outcome
    detail: str
    score: float | None = None
    elapsed_ms: float | None = None
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place that may answer: a server, and the model's name there ("" leaves the client's as it is)."""

    server: Server
    model: str

    @property
    def target(self) -> str:
        """`server/model`, the name that records, headers and the breaker use; only `server` where no model is named.

        It has `LONGEST` characters at most.
        """
        return self.target_for("")

    def target_for(self, requested_model: str) -> str:
        """The same where the client's own name is kept: `requested_model` is the model that the client named."""
        model = self.model or requested_model
        if len(self.server.name) + len(model) < LONGEST:
            return f"{self.server.name}/{model}" if model else self.server.name
        return _shortened(self.server.name, model)


def _shortened(server: str, model: str) -> str:
    """The target's beginning, and what tells it from others that begin so: it is asked for many times a request."""
    ends = f"{server}/{len(model)} {model[:_ENDS]} {model[-_ENDS:]}"
    digest = sha256(ends.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{server}/{model[:LONGEST]}"[: LONGEST - _DIGEST - 3] + f"...{digest}"


@dataclass(frozen=True, slots=True)
class Settling:
    """`moves`: who answers, of its `targets`, is from now on the home; False: it stays as it is, whoever answers."""

    pool: Pool
    targets: frozenset[str]
    moves: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates in the order they are tried. `layer` answered, `route` is the name of what matched.

    There are no candidates where nothing knows the model, the caller may use none of them (`forbidden`), or all are on
    servers that are off (`is_off`); `refusal` then says so, in sentences for the client.

    `thinking` is the rule's strategy. `stick` "conversation": later requests of the conversation stay with the target.
    `first`: the server that the rules name first, where it is no longer the first candidate. `settles`: the pools
    that have chosen the first candidate: who answers may be the home of the conversation, or the caller, there.
    """

    candidates: tuple[Candidate, ...]
    layer: str
    route: str
    trace: tuple[TraceLine, ...] = ()
    thinking: Thinking = "auto"
    stick: Stick = ""
    first: Server | None = None
    lists: ListsUse = ""
    refusal: str | None = None
    forbidden: bool = False
    is_off: bool = False
    settles: tuple[Settling, ...] = ()

    @property
    def moves_on(self) -> bool:
        """Whether the layers after the one that answered are asked: not where its servers are off, as they were chosen,
        maybe for being the only ones that may see the request.
        """
        return self.refusal is not None and not self.is_off

    @property
    def first_choice(self) -> Server:
        """The server that the rules name first, even if it is down or unable to serve the request: it gets the client's
        key.
        """
        return self.first or self.candidates[0].server
