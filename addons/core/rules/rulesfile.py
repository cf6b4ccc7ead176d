"""The rules file as it is written: pydantic models, from which rules/routes.schema.json is made.

These only check the shape of what is there. What a name refers to is looked up in rulescompile.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.rules.layersfile import (
    ArbiterFile,
    CacheSettings,
    CaptureFile,
    LimitsFile,
    RedactFile,
    SemanticRoutes,
)
from switchman.addons.core.rules.matchfile import MatchFile, Text, Written
from switchman.addons.core.rules.pricefile import PriceFile
from switchman.addons.core.rules.reading.balancefile import WEIGHT_MEANS, BalanceFile, Weight
from switchman.addons.core.rules.reading.limitsfile import MaxConcurrent, Queue, Rpm, Tpm, WaitUpTo
from switchman.addons.core.rules.reading.mirrorfile import MirrorFile
from switchman.addons.core.rules.reading.overflowfile import FallbackOnFile
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.models.thinkers import ThinkingSwitch
from switchman.addons.core.servers.retry import OPT_IN_STATUSES
from switchman.addons.core.servers.servers import PathStyle

AUTO = "auto"  # the model that means: the router chooses
DIRECTLY = "none"  # as `proxy`: no proxy
SERVER_NAME = r"^[A-Za-z0-9._-]+$"

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Thinking = Literal["strip", "reasoning", "keep"]


def _checked_url(text: str) -> str:
    urls.parse(text)
    return text


class TimeoutFile(Written):
    """Deadlines in seconds."""

    connect: Seconds = Field(default=10.0, description="until a connection stands")
    first_byte: Seconds = Field(default=600.0, description="until the answer begins; of a stream: its first event")
    idle: Seconds = Field(default=300.0, description="between two bytes of the answer, be they pings")
    total: Seconds | None = Field(default=None, description="everything; without it REQUEST_TIMEOUT (3000)")


class QuirksFile(Written):
    """How a server differs from its dialect's reference. What is not said is as the preset has it, or the default."""

    max_completion_tokens: bool | None = Field(default=None, description="it refuses max_tokens (default false)")
    sampling_extensions: bool | None = Field(
        default=None, description="it also takes top_k, min_p and repetition_penalty (default false)"
    )
    effort_none: bool | None = Field(default=None, description='it takes reasoning_effort "none" (default true)')
    thinking_switch: ThinkingSwitch | None = Field(
        default=None, description="how it is told whether to think, where that does not hang on the model alone"
    )
    usage_in_stream: bool | None = Field(default=None, description="it takes stream_options (default true)")
    has_responses: bool | None = Field(default=None, description="it has /v1/responses (default true)")
    developer_role: bool | None = Field(
        default=None, description="it knows the role developer; false: such messages are sent as system"
    )
    openai_fields: bool | None = Field(
        default=None, description="it takes metadata, store, ... in what is translated; false: not even user and seed"
    )
    narrow_schemas: bool | None = Field(
        default=None, description="it refuses much of JSON Schema, as Gemini does (default: whether it is Google's)"
    )


class KeepAliveFile(Written):
    """Pings to a client whose stream is silent."""

    after: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] | None = Field(
        default=None, description="seconds of silence, 0 for never (default 30)"
    )
    before_answer: bool | None = Field(
        default=None, description="also before the server has begun its answer (default false)"
    )


class TlsFile(Written):
    """What a server's certificate is held to, and who the router says it is. Files are PEM."""

    ca: Text | None = Field(
        default=None, description="certificates of the authorities that are trusted, in place of the usual ones"
    )
    client_cert: Text | None = Field(
        default=None, description="the router's own certificate for this server, with its chain and its key"
    )
    client_key: Text | None = Field(default=None, description="the key, where it is not in client_cert")
    verify: bool = Field(default=True, description="false: the server's certificate is not checked")

    @model_validator(mode="after")
    def _key_of_what(self) -> TlsFile:
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key is the key of client_cert, which is missing")
        return self


class KeyFile(Written):
    """One of several keys."""

    key: Text = Field(description="env:NAME, file:PATH or vault:NAME")
    weight: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="how often it is used, against the others"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"key": written} if isinstance(written, str) else written

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "minLength": 1}, dict(schema)]}


class ServerFile(Written):
    """An upstream: its base URL, or a mapping."""

    preset: Text | None = Field(
        default=None, description="a well-known server, whose URL, dialect, key and quirks are used"
    )
    url: Text | None = Field(
        default=None, description="base URL; may carry a path such as /openai/v1, and a query; required without preset"
    )
    dialect: Literal["openai", "ollama", "anthropic"] | None = Field(
        default=None, description="what it speaks; without it, whatever the client speaks"
    )
    path: PathStyle | None = Field(
        default=None,
        description="join: the API's own path, with its /v1; as_is: the URL's path is complete, no /v1 is added; "
        "azure: /openai/deployments/MODEL (default join, at Azure's own hosts azure)",
    )
    api_key: Text | None = Field(
        default=None, description="env:NAME, file:PATH (which is read again when it changes), or vault:NAME"
    )
    api_keys: Annotated[list[KeyFile], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="several, used in turn or by weight; one that is refused or used up rests alone"
    )
    enabled: bool = Field(
        default=True, description="false: no request goes to it, and it is not asked what it lists; what names it stays"
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="set on every request; env:, file: and vault: work here too"
    )
    timeout: TimeoutFile = Field(default_factory=TimeoutFile, description="deadlines in seconds")
    retry_on: list[int] = Field(default_factory=list, description="further statuses that fail over: of 401, 403, 404")
    fallback_on: FallbackOnFile = None
    max_concurrent: MaxConcurrent = None
    rpm: Rpm = None
    tpm: Tpm = None
    queue: Queue = None
    wait_up_to: WaitUpTo = None
    thinking_output: Thinking | None = Field(default=None, description="<think> blocks: removed, moved, or left")
    strip_json_markdown: bool | None = Field(
        default=None, description="a reply that is one JSON fence becomes the JSON"
    )
    disable_thinking: bool | None = Field(default=None, description="ask the models not to think")
    thinking_opens: bool | None = Field(
        default=None,
        description="whether a reply begins within its thinking block, which the model's template has opened in the "
        "prompt; without it: as the model's name and earlier replies show",
    )
    forward_auth: bool | None = Field(
        default=None,
        description="the client's own credentials go to it: always, never, or (not said) where it is the first choice, "
        "of the first choice's origin, or on your own network together with it; api_key takes their place",
    )
    pass_through: bool | None = Field(
        default=None,
        description="what is no operation of a model (/v1/files, /admin, ...) goes to it, with its own key too; "
        "not said: only where the file has no key for it, in api_key or headers",
    )
    proxy: Text | None = Field(
        default=None,
        description="http://user:password@host:port, or env:, file:, vault:; none: go there directly; "
        "not said: as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say",
    )
    free: bool = Field(default=False, description="what it answers costs nothing, as of a machine of your own")
    capture: Capture | None = Field(
        default=None, description="what the log keeps of its requests: full, redacted, metadata; the strictest wins"
    )
    tls: TlsFile = Field(default_factory=TlsFile, description="certificates: whom to trust, and who the router is")
    quirks: QuirksFile = Field(default_factory=QuirksFile, description="how it differs from its dialect's reference")
    keepalive: KeepAliveFile = Field(default_factory=KeepAliveFile, description="pings while a stream is silent")

    @model_validator(mode="after")
    def _has_url_or_preset(self) -> ServerFile:
        if self.url is None and self.preset is None:
            raise ValueError("expected url or preset")
        if self.api_key is not None and self.api_keys is not None:
            raise ValueError("expected either api_key or api_keys: the first of api_keys is as good as an api_key")
        return self

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"url": written} if isinstance(written, str) else written

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "minLength": 1}, dict(schema)]}

    @field_validator("url")
    @classmethod
    def _url(cls, text: str | None) -> str | None:
        if text is not None:
            urls.parse(text, query=True)
        return text

    @field_validator("retry_on")
    @classmethod
    def _opt_in_only(cls, statuses: list[int]) -> list[int]:
        if wrong := sorted(set(statuses) - OPT_IN_STATUSES):
            raise ValueError(f"only 401, 403 and 404 can be added, not {', '.join(map(str, wrong))}")
        return statuses


class ModelFile(PriceFile):
    """Facts about one `server/model`."""

    thinking_output: Thinking | None = Field(default=None, description="as for servers, and stronger")
    strip_json_markdown: bool | None = Field(default=None, description="as for servers, and stronger")
    disable_thinking: bool | None = Field(default=None, description="as for servers, and stronger")
    thinking_opens: bool | None = Field(default=None, description="as for servers, and stronger")
    context: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = Field(
        default=None, description="context length in tokens"
    )
    modalities: list[Literal["text", "vision", "audio", "video", "tools", "image"]] = Field(
        default_factory=list, description="what it can do"
    )


class InstanceFile(Written):
    """One instance of an alias, or a fallback, as a mapping."""

    server: Text | None = Field(default=None, description="name of a server")
    url: Text | None = Field(default=None, description="in place of server: a base URL")
    model: Text | None = Field(default=None, description="the model's name there; without it the client's stays")
    weight: Weight | None = Field(default=None, description=WEIGHT_MEANS)

    @model_validator(mode="after")
    def _one_place(self) -> InstanceFile:
        if (self.server is None) == (self.url is None):
            raise ValueError("expected either server or url")
        return self

    @field_validator("url")
    @classmethod
    def _url(cls, text: str | None) -> str | None:
        return text if text is None else _checked_url(text)


def _form(written: Any) -> str:
    return "<text>" if isinstance(written, str) else "<mapping>"


# `server/model`, or a mapping. The tags are part of an error's path; being in angle brackets they are told from keys.
InstanceText = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[InstanceFile, Tag("<mapping>")],
    Discriminator(_form),
]


class AliasFile(BalanceFile):
    """A name for several instances, tried until one answers: in order, or as `strategy` says. Or for a split."""

    instances: Annotated[list[InstanceText], Field(min_length=1)] = Field(
        default_factory=list, description="server/model, or {server, model}; required without split"
    )

    @model_validator(mode="after")
    def _either(self) -> AliasFile:
        if bool(self.instances) == (self.split is not None):
            raise ValueError("expected either instances or split" if self.instances else "expected instances, or split")
        return self


class TargetFile(BalanceFile):
    """Where a route leads. At least one of upstream and model, or a split."""

    upstream: Text | None = Field(default=None, description="name of a server, or a base URL")
    model: Text | None = Field(default=None, description="new name; without upstream: server/model or an alias")
    weight: Weight | None = Field(default=None, description="of the route's own target, against its fallbacks")
    fallbacks: list[InstanceText] = Field(default_factory=list, description="server/model, tried after the route's own")
    fallback_on: FallbackOnFile = None
    mirror: MirrorFile | None = Field(default=None, description="some requests are asked of a second target, too")
    thinking: Literal["auto", "enabled", "disabled"] = Field(
        default="auto", description="whether the model is to think; auto: as the request says, else the model's default"
    )
    stick: Literal["conversation"] | None = Field(
        default=None, description="conversation: the rest of it stays with the target while that is healthy"
    )
    local_only: bool = Field(
        default=False, description="no fallback leaves the first target's server and those of local_only"
    )

    capture: Capture | None = Field(default=None, description="as for servers: what the log keeps of its requests")

    @model_validator(mode="after")
    def _has_a_target(self) -> TargetFile:
        if self.split is not None and not self.upstream == self.model is None:
            raise ValueError("split takes the place of upstream and model: name them as its parts")
        if self.upstream is None and self.model is None and self.split is None:
            raise ValueError("a route needs upstream, model, or both; or split")
        return self


class RouteFile(Written):
    """A rule. The first that matches wins: by priority, then from top to bottom."""

    name: Text | None = Field(default=None, description="shown in traces and records; without it `route N`")
    description: str | None = Field(default=None, description="for people")
    enabled: bool = Field(default=True, description="false: passed over, as if it were not there")
    priority: Annotated[int, Field(ge=0, le=1000)] = Field(default=500, description="0 to 1000, higher first")
    match: MatchFile = Field(default_factory=MatchFile, description="what the request must be")
    route: TargetFile = Field(description="where it goes")
    redact: RedactFile | None = Field(default=None, description="in place of the `redact` of the whole file")


class RulesFileModel(Written):
    """routes.yaml, whole."""

    servers: dict[Annotated[str, StringConstraints(pattern=SERVER_NAME)], ServerFile] = Field(
        default_factory=dict, description="the upstreams by name: letters, digits, dot, underscore, hyphen"
    )
    models: dict[Text, ModelFile] = Field(default_factory=dict, description="optional facts by server/model")
    aliases: dict[Text, AliasFile] = Field(default_factory=dict, description="names that stand for several instances")
    routes: list[RouteFile] = Field(default_factory=list, description="rules for what no alias answers")
    keepalive: KeepAliveFile = Field(default_factory=KeepAliveFile, description="for all servers that do not say")
    default: InstanceText | None = Field(
        default=None, description="where `auto` goes when every layer misses: server/model or an alias"
    )
    fallbacks: list[InstanceText] = Field(
        default_factory=list, description="server/model, tried after any rule's own and after the default"
    )
    fallback_on: FallbackOnFile = None
    local_only: list[Text] = Field(
        default_factory=list, description="servers; what goes to one of them falls back to these only"
    )
    auto_names: list[Text] = Field(
        default_factory=lambda: [AUTO], description="names of models that mean: the router chooses"
    )
    cache: CacheSettings = Field(default_factory=CacheSettings, description="exact and semantic cache")
    semantic_routes: SemanticRoutes | None = Field(default=None, description="routing by meaning")
    arbiter: ArbiterFile | None = Field(default=None, description="routing by a small local model")
    limits: LimitsFile = Field(default_factory=LimitsFile, description="of all callers together, and of groups")
    capture: CaptureFile = Field(default_factory=CaptureFile, description="what the log keeps of requests")
    redact: RedactFile | None = Field(default=None, description="of all requests whose rule does not say")

    @model_validator(mode="before")
    @classmethod
    def _empty_sections(cls, written: Any) -> Any:
        """Take `routes:` with nothing under it as an empty section."""
        if not isinstance(written, dict):
            return written
        sections = ("servers", "models", "aliases", "routes", "keepalive", "limits", "capture")
        return {
            key: value
            for key, value in written.items()
            if not key.startswith("x-") and not (value is None and key in sections)
        }


def json_schema() -> dict[str, Any]:
    """The JSON schema of the rules file, as rules/routes.schema.json holds it."""
    schema = RulesFileModel.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Switchman rules file",
        "patternProperties": {"^x-": True},
    }
