"""The decision as a value: an ordered list of candidates, and the trace that says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from switchman.addons.core.routes.routes import Stick
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.thinkers import Thinking

Outcome = Literal["hit", "miss", "skip", "error"]
# What the servers' lists of models were for a plan: not asked, decisive, or looked through in vain.
ListsUse = Literal["", "used", "missed"]


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
        """`server/model`, the name that records, headers and the breaker use; only `server` where no model is named."""
        return self.target_for("")

    def target_for(self, requested_model: str) -> str:
        """The same where the client's own name is kept: `requested_model` is the model that the client named."""
        model = self.model or requested_model
        return f"{self.server.name}/{model}" if model else self.server.name


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates in the order they are tried. `layer` answered, `route` is the name of what matched.

    There are no candidates where nothing knows the model, or the caller may use none of them (`forbidden`); `refusal`
    then says so, in sentences for the client.

    `thinking` is the rule's strategy. `stick` "conversation": later requests of the conversation stay with the target.
    `first`: the server that the rules name first, where it is no longer the first candidate.
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

    @property
    def first_choice(self) -> Server:
        """The server that the rules name first, even if it is down or unable to serve the request: it gets the client's
        key.
        """
        return self.first or self.candidates[0].server
