"""The `match` of a route as it is written: every condition of the rules file, nested by all, any and not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from switchman.addons.core.access import apitoken
from switchman.addons.core.request.clients import Network, parse_network
from switchman.addons.core.request.tasktype import TaskType
from switchman.addons.core.routes.conditions import DAY_MINUTES
from switchman.addons.core.routes.patterns import compile_pattern, is_pattern

Text = Annotated[str, StringConstraints(min_length=1)]
Cost = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
HealthName = Literal["green", "yellow", "red"]

_TIMES: Final = re.compile(r"\s*([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)\s*")


class Written(BaseModel):
    """A mapping of the rules file. Keys that begin with x- are the user's own, and ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _own_keys(cls, written: Any) -> Any:
        if isinstance(written, Mapping) and any(str(key).startswith("x-") for key in written):
            return {key: value for key, value in written.items() if not str(key).startswith("x-")}
        return written


def _listed(written: Any) -> Any:
    return [written] if isinstance(written, str) else written


def _under(key: str, kinds: type | tuple[type, ...]) -> Callable[[Any], Any]:
    """A short form: a bare value stands for the mapping that has it under `key`."""
    return lambda written: {key: written} if isinstance(written, kinds) else written


Texts = Annotated[
    list[Text], Field(min_length=1), BeforeValidator(_listed, json_schema_input_type=str | list[str])
]  # one, or several


HeaderValues = Annotated[
    list[Text],
    BeforeValidator(
        lambda written: [] if written is True else _listed(written),
        json_schema_input_type=str | list[str] | Literal[True],
    ),
]  # no value: any will do


class RangeFile(Written):
    """A range of whole numbers, both ends included. One end may be left open."""

    min: Count | None = Field(default=None, description="at least so many")
    max: Count | None = Field(default=None, description="at most so many")

    @model_validator(mode="after")
    def _not_empty(self) -> RangeFile:
        if self.min is None and self.max is None:
            raise ValueError("expected min, max, or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}: nothing is in this range")
        return self


class TaskFile(Written):
    """Types of task, any of them, and how sure the guess must be."""

    types: Annotated[list[TaskType], Field(min_length=1), BeforeValidator(_listed)] = Field(description="any of these")
    min_confidence: Share = Field(default=0.0, description="0 to 1: how sure the guess must be")


def _every_day() -> list[Day]:
    return ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class TimeFile(Written):
    """A local time of day, and on which days."""

    between: Text = Field(description='"HH:MM-HH:MM", the end not included; past midnight where it ends earlier')
    days: Annotated[list[Day], Field(min_length=1), BeforeValidator(_listed)] = Field(
        default_factory=_every_day, description="mon, tue, ...: on which days it begins"
    )

    @field_validator("between")
    @classmethod
    def _times(cls, text: str) -> str:
        minutes_between(text)
        return text


def minutes_between(text: str) -> tuple[int, int]:
    """`09:00-17:30` -> minutes of the day. 24:00 may end it. Raises ValueError."""
    found = _TIMES.fullmatch(text)
    if found is None:
        raise ValueError(f"expected two times such as 09:00-17:30, not {text[:80]!r}")
    hours, minutes, end_hours, end_minutes = map(int, found.groups())
    start, end = hours * 60 + minutes, end_hours * 60 + end_minutes
    if start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError("a day begins at 00:00 and ends at 24:00")
    return start, end


class MatchFile(Written):
    """What a route asks of a request. All that is written must hold; nothing written matches everything."""

    model: Text | None = Field(default=None, description="exact name, or /regex/ (searched, not anchored)")
    source_host: Text | None = Field(default=None, description="the client's address, or a range such as 10.0.1.0/24")
    header: dict[Text, HeaderValues] | None = Field(
        default=None, description="name: exact value, /regex/, several of these, or true for any value"
    )
    token: Texts | None = Field(
        default=None,
        description="names of callers' tokens, or globs of them; or the SHA-256 (hex) of a client's own key",
    )
    group: Texts | None = Field(default=None, description="groups that the caller's token is in, or globs of them")
    language: Texts | None = Field(
        default=None, description="of the ask, as ISO 639-1 codes: en, zh, ...; und where nothing tells"
    )
    regex: Text | None = Field(default=None, description="found in the ask; (?i) for any case")
    keywords: Texts | None = Field(default=None, description="words or phrases; any case, whole words")
    keywords_substring: Texts | None = Field(default=None, description="the same, but within words too")
    task: Annotated[TaskFile, BeforeValidator(_under("types", (str, list)))] | None = Field(
        default=None, description="type of task, several, or {types, min_confidence}"
    )
    tokens: RangeFile | None = Field(default=None, description="estimated size of the whole prompt")
    depth: RangeFile | None = Field(default=None, description="number of messages without system texts")
    tools: bool | None = Field(default=None, description="whether the request brings tools")
    modalities: (
        Annotated[list[Literal["text", "vision", "audio"]], Field(min_length=1), BeforeValidator(_listed)] | None
    ) = Field(default=None, description="any of these is in the conversation")
    time: Annotated[TimeFile, BeforeValidator(_under("between", str))] | None = Field(
        default=None, description='local time: "09:00-17:30", or {between, days}'
    )
    max_cost: Cost | None = Field(default=None, description="$ per million input tokens of this route's target")
    max_latency: Cost | None = Field(default=None, description="ms: 95th percentile of this route's target, lately")
    provider_health: dict[Text, Annotated[list[HealthName], Field(min_length=1), BeforeValidator(_listed)]] | None = (
        Field(default=None, description="server: green, yellow or red, or several")
    )
    all: list[MatchFile] | None = Field(default=None, description="every one of these holds")
    any: list[MatchFile] | None = Field(default=None, description="at least one of these holds")
    not_: MatchFile | None = Field(default=None, alias="not", description="this does not hold")

    @field_validator("model")
    @classmethod
    def _compiles(cls, text: str | None) -> str | None:
        if text is not None and is_pattern(text):
            compile_pattern(text)
        return text

    @field_validator("source_host")
    @classmethod
    def _is_network(cls, text: str | None) -> str | None:
        if text is not None:
            source_networks(text)
        return text

    @field_validator("regex")
    @classmethod
    def _is_pattern(cls, text: str | None) -> str | None:
        if text is not None:
            compile_pattern(text)
        return text

    @field_validator("token", "group")
    @classmethod
    def _are_names(cls, texts: list[str] | None) -> list[str] | None:
        for text in texts or ():
            if apitoken.PREFIX in text:
                raise ValueError("this is a token itself, which belongs into no file: write its name")
        return texts

    @field_validator("header")
    @classmethod
    def _headers(cls, headers: dict[str, list[str]] | None) -> dict[str, list[str]] | None:
        for values in (headers or {}).values():
            for value in values:
                if is_pattern(value):
                    compile_pattern(value)
        return headers


def source_networks(text: str) -> tuple[Network, ...]:
    """The networks of a `source_host`: an address, a range, or localhost; no other name. Raises ValueError."""
    if text == "localhost":
        return parse_network("127.0.0.0/8"), parse_network("::1")
    return (parse_network(text),)
