"""The sections of the rules file that need no compiling: those for the layers of `auto` (cache, semantic_routes,
arbiter), limits, what is captured and what is redacted.

Durations become seconds: `24h`, `90s` and `3600` are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from switchman.addons.core.access.caller import Allowance, Budget, Capture
from switchman.addons.core.access.capturing import NOTHING_WRITTEN, WrittenCapture
from switchman.addons.core.access.limits.written import NO_LIMITS, Limits
from switchman.addons.core.access.written import parse_budget
from switchman.addons.core.routes.patterns import compile_pattern, is_pattern
from switchman.addons.core.rules.matchfile import Share, Text, Written
from switchman.addons.core.rules.problems import hint, listed
from switchman.addons.core.servers import urls
from switchman.addons.core.texts.redaction.atrest import kinds_of
from switchman.addons.core.texts.redaction.finding import KINDS

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_LONGEST: Final = 366 * 86_400.0

SEARCHED: Final = 4_096  # bytes at a time: fewer would make the search of a body too long

Mode = Literal["off", "shadow", "on"]


def seconds(written: Any) -> Any:
    """`24h` -> 86400.0; a number is seconds. ValueError for any other text."""
    if not isinstance(written, str):
        return written
    found = _DURATION.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"expected a time such as 90s, 30m, 24h or 7d, not {written[:80]!r}")
    return float(found[1]) * _UNITS[found[2]]


def _switch(written: Any) -> Any:
    """Accept true and false for `on` and `off`: YAML 1.1 reads them so."""
    return {True: "on", False: "off"}.get(written, written) if isinstance(written, bool) else written


Duration = Annotated[
    float, Field(ge=0, le=_LONGEST, allow_inf_nan=False), BeforeValidator(seconds, json_schema_input_type=str | float)
]


class ExactCache(Written):
    """Answers for requests that are the same in all that can change the answer."""

    ttl: Duration = Field(default=86_400.0, description="how long an answer is kept: 24h, 30m, seconds; 0: off")
    max_entries: Annotated[int, Field(gt=0, le=10_000_000)] = Field(
        default=10_000, description="the least recently used goes first"
    )
    scope: Literal["caller", "shared"] = Field(default="caller", description="who may get an answer kept for another")


class SemanticCache(Written):
    """Answers for asks that mean the same."""

    mode: Annotated[Mode, BeforeValidator(_switch)] = Field(
        default="shadow", description="shadow: record what it would have served, and serve nothing"
    )
    threshold: Share = Field(default=0.95, description="least cosine similarity")
    guard: Literal["strict", "relaxed"] = Field(default="strict", description="how alike the words must be as well")


class CacheSettings(Written):
    """Both caches. They serve `auto`, and the models named here."""

    exact: ExactCache = Field(default_factory=ExactCache, description="for requests that are the same")
    semantic: SemanticCache = Field(default_factory=SemanticCache, description="for asks that mean the same")
    models: list[Text] = Field(default_factory=list, description="globs of further model names, such as gpt-4o*")


class Category(Written):
    """A kind of request, by examples, and where it goes."""

    target: Text | None = Field(default=None, description="server/model or an alias; without it, the category is off")
    utterances: list[Text] = Field(default_factory=list, description="examples, besides those shipped for a task type")


def _short_category(written: Any) -> Any:
    return {"target": written} if isinstance(written, str) else written


class SemanticRoutes(Written):
    """Routing by meaning."""

    mode: Annotated[Literal["off", "on"], BeforeValidator(_switch)] = Field(default="on", description="off or on")
    threshold: Share = Field(default=0.85, description="least chance that a category is the right one")
    model: Text | None = Field(
        default=None,
        description="folder that `semantic prepare` made; sentence-transformers: also NAME@COMMIT of the hub",
    )
    backend: Literal["onnx", "sentence-transformers"] = Field(default="onnx", description="what runs the model")
    categories: dict[Text, Annotated[Category, BeforeValidator(_short_category)]] = Field(
        default_factory=dict, description="name: target, or {target, utterances}"
    )


class ArbiterFile(Written):
    """A small model that says which category a request belongs to."""

    url: Text | None = Field(default=None, description="base URL of an Ollama server")
    server: Text | None = Field(default=None, description="in place of url: the name of a server")
    model: Text = Field(description="the model's name there")
    timeout_ms: Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False)] = Field(
        default=140.0, description="longer is a miss"
    )
    min_confidence: Share = Field(default=0.6, description="less is a miss")
    targets: dict[Text, Text] = Field(default_factory=dict, description="category: server/model or an alias")

    @model_validator(mode="after")
    def _one_place(self) -> ArbiterFile:
        if (self.server is None) == (self.url is None):
            raise ValueError("expected either url or server")
        return self

    @field_validator("url")
    @classmethod
    def _url(cls, text: str | None) -> str | None:
        if text is not None:
            urls.parse(text)
        return text


Most = Annotated[int, Field(gt=0, le=1_000_000_000_000)]


class BudgetFile(Written):
    """How much may be used up in a calendar day or month."""

    amount: Text = Field(description="20/month or $0.50/day, 2000000tokens/day")
    downgrade: Text | None = Field(
        default=None, description="server/model or an alias that answers once it is used up; without it: a 429"
    )

    @model_validator(mode="after")
    def _reads(self) -> BudgetFile:
        parse_budget(self.amount)
        return self

    @property
    def value(self) -> Budget:
        return parse_budget(self.amount, self.downgrade)


def _short_budget(written: Any) -> Any:
    return {"amount": written} if isinstance(written, str) else written


class AllowanceFile(Written):
    """How much some callers together may ask for."""

    requests_per_minute: Most | None = Field(default=None, description="in any 60 seconds")
    tokens_per_minute: Most | None = Field(default=None, description="in any 60 seconds; of prompt and answer together")
    concurrent: Most | None = Field(default=None, description="requests at a time, streams included")
    body_bytes: Most | None = Field(default=None, description="largest request body; MAX_BODY_BYTES stays above it")
    budgets: list[Annotated[BudgetFile, BeforeValidator(_short_budget, json_schema_input_type=str | BudgetFile)]] = (
        Field(default_factory=list, description="per calendar day or month")
    )

    @property
    def value(self) -> Allowance:
        return Allowance(
            self.requests_per_minute,
            self.tokens_per_minute,
            self.concurrent,
            self.body_bytes,
            tuple(budget.value for budget in self.budgets),
        )


class CaptureFile(Written):
    """What the log keeps of requests, and what is private in them."""

    mode: Capture | None = Field(
        default=None, description="full, redacted or metadata; the strictest that applies wins"
    )
    redact: list[Text] | None = Field(
        default=None,
        description="what is replaced where it is redacted: email, phone, card, iban, ssn, ip, or /regex/ of your "
        "own; without it CAPTURE_REDACT, or all kinds",
    )

    @field_validator("redact")
    @classmethod
    def _are_known(cls, written: list[str] | None) -> list[str] | None:
        kinds_of(one for one in written or () if not is_pattern(one))
        for one in written or ():
            if is_pattern(one) and compile_pattern(one, "groups").longest < SEARCHED:
                raise ValueError(f"{one[:200]} is too costly for whole bodies: write shorter repeats, or [0-9] for \\d")
        return written

    @property
    def value(self) -> WrittenCapture:
        kinds = [one for one in self.redact or () if not is_pattern(one)]
        patterns = tuple(compile_pattern(one, "groups") for one in self.redact or () if is_pattern(one))
        made = WrittenCapture(self.mode, kinds_of(kinds) if kinds else None, patterns)
        return NOTHING_WRITTEN if made == NOTHING_WRITTEN else made


class LimitsFile(Written):
    """Limits over callers together; those of one token are made with it."""

    total: AllowanceFile = Field(default_factory=AllowanceFile, description="all requests together")
    groups: dict[Text, AllowanceFile] = Field(
        default_factory=dict, description="by name: all tokens of a group together"
    )
    unknown_price: Literal["refuse", "free"] = Field(
        default="refuse",
        description="what a model is to a budget in dollars whose price is not known: not asked, or free",
    )

    def allowances(self) -> Iterator[tuple[tuple[str, ...], AllowanceFile]]:
        """Each with its place in the file."""
        yield ("limits", "total"), self.total
        for name, one in self.groups.items():
            yield ("limits", "groups", name), one

    @property
    def value(self) -> Limits:
        groups = {name: one.value for name, one in self.groups.items()}
        made = Limits(self.total.value, groups, self.unknown_price == "free")
        return NO_LIMITS if made == NO_LIMITS else made


class RedactFile(Written):
    """What no server gets to see: placeholders go there, and the originals come back into the answer."""

    patterns: list[Text] = Field(
        default_factory=list,
        description=f"all, or of {', '.join(sorted(KINDS))}; nothing: not for this rule",
        json_schema_extra={"items": {"type": "string", "enum": ["all", *sorted(KINDS)]}},
    )
    words: Text | None = Field(default=None, description="a file with a word or phrase to a line, in any case")

    @field_validator("patterns")
    @classmethod
    def _known(cls, patterns: list[str]) -> list[str]:
        for name in patterns:
            if name not in KINDS and name != "all":
                raise ValueError(
                    f"unknown pattern {name[:80]!r}{hint(name, KINDS) or '.'} Known here: all, {listed(sorted(KINDS))}"
                )
        return patterns
