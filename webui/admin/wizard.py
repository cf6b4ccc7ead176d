"""The wizard's answers as a page or a program sends them, and the rules that follow from them. Nothing is saved."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from switchman.addons.config.configuration import well_known
from switchman.addons.config.editing.desk import Checked, Reading
from switchman.addons.config.editing.drafts import How, put_into, taken_names
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.access.prices.price import FREE, Price
from switchman.addons.core.access.roles import Role
from switchman.addons.core.routes.making.answers import (
    Answers,
    Model,
    NotMakeable,
    Priority,
    ServerChoice,
    Spending,
    Use,
)
from switchman.addons.core.routes.making.drafting import Draft, draft
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import SERVER_NAME
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.credentials import is_on_own_network
from switchman.addons.core.servers.servers import Server
from switchman.webui.access.people import person, web_config
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.models import In, Out
from switchman.webui.admin.rules import desk, reading
from switchman.webui.admin.rulesmodels import ProblemOut

MOST_SERVERS, MOST_MODELS = 20, 300

ModelName = Annotated[str, Field(min_length=1, max_length=200)]


class ModelIn(In):
    """A model of a server; a bare name will do. What is not known is left out."""

    name: ModelName
    chosen: bool = True
    context: Annotated[int, Field(gt=0, le=1_000_000_000)] | None = Field(default=None, description="tokens")
    pictures: bool | None = Field(default=None, description="whether it sees pictures")
    billions: Annotated[float, Field(gt=0, le=1_000_000)] | None = Field(default=None, description="of parameters")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given


class ServerIn(In):
    """A server: one of the file's by its name, or a new one, by a preset or an address."""

    name: Annotated[str, Field(pattern=SERVER_NAME, max_length=60)]
    preset: Annotated[str, Field(max_length=60)] = ""
    url: Annotated[str, Field(max_length=500)] = ""
    key: Annotated[str, Field(max_length=200, pattern=r"^((env|vault):[A-Za-z0-9_.-]+)?$")] = Field(
        default="", description="env:NAME or vault:NAME; empty: the preset's own variable, where it is set"
    )
    chosen: bool = True
    models: Annotated[list[ModelIn], Field(max_length=MOST_MODELS)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_somewhere(self) -> ServerIn:
        if self.preset and self.preset not in well_known():
            raise ValueError(f"there is no preset {self.preset!r}")
        if self.url:
            urls.parse(self.url, query=True)
        return self


class WizardIn(In):
    """What somebody answers who wants rules."""

    uses: Annotated[list[Use], Field(max_length=6)] = Field(default_factory=lambda: list(USUAL_USES))
    servers: Annotated[list[ServerIn], Field(max_length=MOST_SERVERS)] = Field(default_factory=list)
    spending: Spending = "unlimited"
    dollars: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=20, description="a month, where spending is monthly"
    )
    priority: Priority = "quality"
    how: How = Field(default="beside", description="beside: what is there stays; replace: its rules go")

    @model_validator(mode="after")
    def _names_once(self) -> WizardIn:
        names = [one.name for one in self.servers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two servers are named {twice}")
        return self


USUAL_USES: tuple[Use, ...] = ("chat", "coding", "background")


class PickOut(Out):
    """Who answers a use, in the order they are tried."""

    use: str
    targets: list[str]


class WizardOut(Out):
    """The rules that follow. `needs_admin`: to save them; `digest`: of the file that they were made for."""

    yaml: str
    digest: str
    good: bool
    needs_admin: bool
    problems: list[ProblemOut]
    notes: list[str]
    picks: list[PickOut]


class Made(NamedTuple):
    """The rules, for which state of the file, and what the router would say of them."""

    text: str
    now: Reading
    draft: Draft
    checked: Checked
    new_servers: list[str]


class Known(NamedTuple):
    """What the file says of servers: as it is written, and as it is read."""

    written: dict[str, Any]
    rules: Ruleset


def wizard(body: WizardIn) -> WizardOut:
    """The operation of the API."""
    found = made_of(body)
    return WizardOut(
        yaml=found.text,
        digest=found.now.digest,
        good=found.checked.rules is not None,
        needs_admin=bool(found.new_servers),
        problems=[ProblemOut.of(one) for one in found.checked.problems],
        notes=[str(one) for one in found.draft.notes],
        picks=[PickOut(use=use, targets=[one.target for one in picks]) for use, picks in found.draft.picks.items()],
    )


def made_of(given: WizardIn) -> Made:
    """Raises Refused where no rules follow, or the file cannot take them."""
    now = reading()
    file = known(now)
    try:
        answers = answers_of(given, file)
        if given.how == "beside":
            answers = replace(answers, taken=taken_names(now.text) - {one.name for one in answers.servers if one.known})
        found = draft(answers)
        text = put_into(now.text, found, given.how, may_servers=person().role >= Role.ADMIN)
    except NotMakeable as error:
        raise Refused(str(error), 422, "servers") from None
    except NotEditable as error:
        raise Refused(str(error), 409) from None
    except RulesError as error:
        raise Refused(f"the file cannot be edited while it is broken: {error.problems[0]}", 409) from None
    new = [one.name for one in found.servers if one.name not in file.written]
    return Made(text, now, found, desk().check(text), new)


def known(now: Reading) -> Known:
    rules = desk().check(now.text).rules or desk().rules.current
    try:
        data = load(now.text, "").data
    except RulesError:
        data = None
    servers = data.get("servers") if isinstance(data, dict) else None
    return Known({str(name): one for name, one in servers.items()} if isinstance(servers, dict) else {}, rules)


def answers_of(given: WizardIn, file: Known) -> Answers:
    chosen = tuple(server_of(one, file) for one in given.servers if one.chosen)
    return Answers(frozenset(given.uses), chosen, given.spending, given.dollars, given.priority)


def server_of(given: ServerIn, file: Known) -> ServerChoice:
    """A server of the file stays as it is there, whatever is said of it."""
    models = [one for one in given.models if one.chosen]
    server = file.rules.servers.get(given.name) if given.name in file.written else None
    if server is not None:
        own = is_on_own_network(server.url.host)
        return ServerChoice(
            given.name,
            file.written[given.name],
            tuple(model_of(one, file.rules.price_for(server, one.name)) for one in models),
            own=own,
            has_key=has_key(server),
            known=True,
            vendor=server.preset,
        )
    url, preset = urls.parse(address_of(given), query=True), well_known().get(given.preset)
    own, key = is_on_own_network(url.host), given.key or usual_key(given)
    written: dict[str, Any] = {"preset": given.preset} if preset else {}
    written |= {"url": given.url} if given.url and not (preset and preset.url == given.url) else {}
    written |= {"api_key": key} if key else {}
    written |= {"free": True} if own else {}
    prices = web_config().prices()
    provider = prices.provider(given.preset, url.host)
    priced = [(one, FREE if own else prices.find(provider, one.name)) for one in models]
    found = tuple(model_of(one, price) for one, price in priced)
    return ServerChoice(given.name, written, found, own=own, has_key=bool(key), vendor=given.preset)


def has_key(server: Server) -> bool:
    return server.api_key is not None or server.forward_auth is not None


def address_of(given: ServerIn) -> str:
    """Of a new server. Raises Refused where nothing says it."""
    preset = well_known().get(given.preset)
    if found := given.url or (preset.url if preset is not None else None):
        return found
    if preset is not None:
        raise Refused(f"{given.name} needs its address, such as {preset.url_form}", 422, "servers")
    raise Refused(f"{given.name} is no server of the file: give its preset or its address", 422, "servers")


def usual_key(given: ServerIn) -> str:
    """The preset's own variable, if it is set here: the router has the same environment."""
    preset = well_known().get(given.preset)
    name = preset.api_key_env if preset is not None else None
    return f"env:{name}" if name and os.environ.get(name, "").strip() else ""


def model_of(given: ModelIn, price: Price | None) -> Model:
    return Model(
        given.name,
        price.input if price is not None else None,
        price.output if price is not None else None,
        given.context,
        given.pictures,
        given.billions,
    )


def listed_prices(provider: str | None) -> Iterable[Model]:
    """The models of a provider's table of prices."""
    prices = web_config().prices()
    for owner, name in prices.names():
        if owner == provider and (price := prices.find(owner, name)) is not None:
            yield Model(name, price.input, price.output)
