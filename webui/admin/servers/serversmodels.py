"""What goes in and out of /api/admin/servers, as JSON. Nothing has a key, or any of one."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field

from switchman.addons.core.rules.presets import Preset
from switchman.webui.admin.models import In, Out
from switchman.webui.admin.rulesmodels import Digest, Why
from switchman.webui.admin.servers.servers import KeySource, ModelSeen, ServerSeen
from switchman.webui.admin.servers.servertests import Kept, Word


class KeySourceOut(Out):
    """`where`: env, file, vault, written (in the rules file), headers, client (the client's own), none."""

    where: str
    name: str
    version: int | None
    is_there: bool


class ModelOut(Out):
    """`price` in words; `listed`: by the last test; `requests`: of the last week."""

    name: str
    context: int | None
    modalities: list[str]
    price: str
    listed: bool
    in_rules: bool
    requests: int

    @classmethod
    def of(cls, one: ModelSeen) -> Self:
        name, context, modalities, price, listed, in_rules, requests = one
        return cls(
            name=name,
            context=context,
            modalities=list(modalities),
            price=price,
            listed=listed,
            in_rules=in_rules,
            requests=requests,
        )


class RestingOut(Out):
    """A target that is left alone. `state`: open or half_open; `until`: epoch seconds."""

    target: str
    state: str
    until: float


class TriedOut(Out):
    """What a server said when it was asked for its models. `status`: of its answer, null for none."""

    good: bool
    words: str
    status: int | None
    seconds: float
    models: list[str]
    at: float

    @classmethod
    def of(cls, kept: Kept) -> Self:
        tried = kept.tried
        return cls(
            good=tried.good,
            words=tried.words,
            status=tried.status,
            seconds=round(tried.seconds, 3),
            models=[model.id for model in tried.models],
            at=kept.at,
        )


class ServerOut(Out):
    """`in_file`: it stands in the file's `servers`. `dialects`: none where that is found out. `led_to_by`: what names
    it. Times in milliseconds are of the last hour.
    """

    name: str
    enabled: bool
    in_file: bool
    preset: str
    url: str
    dialects: list[str]
    state: str
    requests: int
    errors: int
    p50_ms: float | None
    resting: list[RestingOut]
    keys: list[KeySourceOut]
    led_to_by: list[str]
    tested: TriedOut | None
    models: list[ModelOut]

    @classmethod
    def of(cls, one: ServerSeen) -> Self:
        health = one.health
        return cls(
            name=one.name,
            enabled=one.enabled,
            in_file=one.written is not None,
            preset=one.server.preset,
            url=one.url,
            dialects=list(one.speaks),
            state=health.word if one.enabled else "off",
            requests=health.hour.requests,
            errors=health.hour.errors,
            p50_ms=health.p50,
            resting=[
                RestingOut(target=rest.target, state=rest.state, until=rest.until) for rest in health.news.resting
            ],
            keys=[key_out(source) for source in one.keys],
            led_to_by=[str(place) for place in one.pointing],
            tested=TriedOut.of(one.tried) if one.tried is not None else None,
            models=[ModelOut.of(model) for model in one.models],
        )


def key_out(source: KeySource) -> KeySourceOut:
    where, name, version, is_there = source
    return KeySourceOut(where=where, name=name, version=version, is_there=is_there)


class ServersOut(Out):
    """`digest`: of the file, for changes. Models are told of one server."""

    servers: list[ServerOut]
    digest: str


class PresetOut(Out):
    """A well-known server. `url` null: it differs from customer to customer, as `url_form`."""

    name: str
    url: str | None
    url_form: str
    dialect: str
    api_key_env: str | None
    docs: str

    @classmethod
    def of(cls, name: str, one: Preset) -> Self:
        return cls(
            name=name,
            url=one.url,
            url_form=one.url_form,
            dialect=one.dialect,
            api_key_env=one.api_key_env,
            docs=one.docs,
        )


class PresetsOut(Out):
    presets: list[PresetOut]


Written = dict[str, Any] | Annotated[str, Field(min_length=1, max_length=2_000)]


class ServerIn(In):
    """What a server is, whole, as the rules file would have it."""

    server: Written
    digest: Digest
    why: Why = ""
    dry_run: bool = Field(False, strict=True, description="only give the text that it would be")


class RemoveServerIn(In):
    digest: Digest
    why: Why = ""


class SwitchIn(In):
    """Without a digest: whatever the file is by now."""

    enabled: Annotated[bool, Field(strict=True)]
    digest: Digest | None = None


class SwitchOut(Out):
    enabled: bool
    digest: str


class FactsIn(In):
    """What `models:` has of a model of the server; null: nothing any more."""

    model: Annotated[str, Field(min_length=1, max_length=300)]
    facts: dict[str, Any] | None
    digest: Digest
    why: Why = ""
    dry_run: bool = Field(False, strict=True, description="only give the text that it would be")


class TestIn(In):
    """`server`: as it would be, to be tested before it is saved, for admins; null: as it is saved."""

    server: Written | None = None


class AskIn(In):
    """The model that is to say a word, by its name there."""

    model: Annotated[str, Field(min_length=1, max_length=300)]


class WordOut(Out):
    good: bool
    words: str
    status: int | None
    seconds: float
    request_id: str | None

    @classmethod
    def of(cls, word: Word) -> Self:
        good, words, status, seconds, request_id = word
        return cls(good=good, words=words, status=status, seconds=round(seconds, 3), request_id=request_id)
