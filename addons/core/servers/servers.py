"""Upstream servers, and the facts about their models, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import SecretStr

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.access.prices.written import WrittenPrice
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.servers.models.thinkers import ThinkingSwitch
from switchman.addons.core.servers.pacing.limits import ServerLimits
from switchman.addons.core.servers.reaching.reach import DIRECT, Reach
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.servers.urls import BaseURL

GOOGLE: Final = "googleapis.com"
ANTHROPIC: Final = "anthropic.com"

ThinkingOutput = Literal["strip", "reasoning", "keep"]
PathStyle = Literal["join", "as_is", "azure"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may take, in seconds. deadlines.py makes times of it."""

    connect: float = 10.0  # until a connection stands, TLS included
    first_byte: float = 600.0  # until the answer begins (a stream: its first event): slow local models load for minutes
    idle: float = 300.0  # between two bytes of an answer, be they pings: `total` ends a server that never says more
    total: float = 3000.0  # everything; REQUEST_TIMEOUT where the file does not say


@dataclass(frozen=True, slots=True)
class Quirks:
    """The differences of one server from its dialect's reference. Presets set these, and routes.yaml may.

    `max_completion_tokens`: an OpenAI server that refuses max_tokens (OpenAI's own newer models).
    `sampling_extensions`: an OpenAI server that also takes top_k, min_p and repetition_penalty (vLLM, llama.cpp).
    `effort_none`: `reasoning_effort: "none"` may be sent to say "do not think".
    `thinking_switch`: its own parameter for thinking, whatever the model. None: the model's name decides. Servers of
    `thinking` also get the thoughts of earlier turns, where the request is translated.
    `usage_in_stream`: it takes `stream_options`, by which a stream reports its usage.
    `has_responses`: an OpenAI server that has /v1/responses.
    `developer_role`: whether an OpenAI server knows the role `developer`. None: not known, so requests of its own
    dialect keep the role, and translated ones use `system`, which every server knows.
    `openai_fields`: true for an OpenAI server that takes all of OpenAI's own fields (metadata, store, service_tier,
    prompt_cache_key, ...), false for one that refuses even user and seed. None: these two are sent, the others are not.
    `narrow_schemas`: it takes Gemini's part of JSON schemas only. None: it does if it is Google's own (`is_googles`).
    """

    max_completion_tokens: bool = False
    sampling_extensions: bool = False
    effort_none: bool = True
    thinking_switch: ThinkingSwitch | None = None
    usage_in_stream: bool = True
    has_responses: bool = True
    developer_role: bool | None = None
    openai_fields: bool | None = None
    narrow_schemas: bool | None = None


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """When to send a ping to a client that waits for the rest of a stream.

    `after`: seconds of silence before each ping, 0 for never. `before_answer`: also before the server begins its
    answer; the status 200 has then been sent, so a later failure becomes an error event in the stream.
    """

    after: float = 30.0  # less than the 60 s after which common proxies give a silent connection up
    before_answer: bool = False


@dataclass(frozen=True, slots=True)
class ServerKey:
    """One of a server's own keys. `label` is shown: the reference as it is written, or `key 2` for one that stands in
    the file itself. `weight`: how often it is used, against the others.
    """

    value: SecretStr
    label: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Server:
    """One upstream. `dialect` None: it speaks the client's dialect. Secrets stay out of repr.

    `keys`: those of its own, which are used in turn if there are several; `api_key` is the first of them.
    """

    name: str
    url: BaseURL
    dialect: DialectName | None = None
    api_key: SecretStr | None = None
    keys: tuple[ServerKey, ...] = ()
    headers: dict[str, str] = field(
        default_factory=dict, repr=False, hash=False
    )  # set on every request; may hold secrets
    secret_headers: frozenset[str] = frozenset()  # names of those that are references
    timeout: Timeouts = Timeouts()
    retry_on: frozenset[int] = frozenset()  # of retry.OPT_IN_STATUSES
    fallback_on: frozenset[FallbackOn] | None = None  # None: as the whole file says
    thinking_output: ThinkingOutput | None = None  # None: as STRIP_THINKING says
    strip_json_markdown: bool | None = None  # None: as STRIP_JSON_MARKDOWN says
    disable_thinking: bool | None = None  # None: as DISABLE_THINKING says
    preset: str = ""  # the well-known server that it is, or stands for
    thinking_opens: bool | None = None  # a reply begins within its thinking block; None: as opening.py finds
    forward_auth: bool | None = None  # the client's own credentials go to it; None: as credentials.py says
    pass_through: bool | None = None  # what is no operation goes to it; None: where it has no key of its own
    also: tuple[DialectName, ...] = ()  # dialects that it speaks besides `dialect`
    quirks: Quirks = Quirks()
    keepalive: KeepAlive = KeepAlive()
    path: PathStyle = "join"  # how a request's path is made: addressing.py
    free: bool = False  # what it answers costs nothing
    capture: Capture | None = None  # what the log keeps of its requests; None: as others say
    reach: Reach = DIRECT
    limits: ServerLimits | None = None  # how much it is asked; None: as much as there is
    enabled: bool = True  # False: no candidate, and nobody asks it anything


def is_googles(server: Server) -> bool:
    """Whether this is Gemini's API, or Vertex AI's."""
    return server.url.host == GOOGLE or server.url.host.endswith(f".{GOOGLE}")


def is_anthropics(server: Server) -> bool:
    """Whether this is Anthropic's own API, or stands for it, as its preset says. It checks what others let pass."""
    host = server.url.host.rstrip(".")
    return host == ANTHROPIC or host.endswith(f".{ANTHROPIC}") or server.preset == "anthropic"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The file's facts about one `server/model`. None: not known. Costs: $ per million tokens; context: tokens."""

    thinking_output: ThinkingOutput | None = None
    strip_json_markdown: bool | None = None
    disable_thinking: bool | None = None
    thinking_opens: bool | None = None
    input_cost: float | None = None
    output_cost: float | None = None
    context: int | None = None
    modalities: frozenset[str] = frozenset()
    price: WrittenPrice | None = None  # what the file says of its price; None: nothing


UNKNOWN_MODEL = ModelFacts()
