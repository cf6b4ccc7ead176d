"""rules/README.md is the reference of routes.yaml: its tables have every key, with default and meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from switchman.addons.core.rules import layersfile, matchfile, pricefile, rulesfile
from switchman.addons.core.rules.reading import limitsfile, mirrorfile

TEXT = (Path(__file__).parents[2] / "rules/README.md").read_text(encoding="utf-8")

# The first cell of each table's head, and whose keys stand below it.
TABLES: dict[str, type[BaseModel]] = {
    "condition": matchfile.MatchFile,
    "`servers.NAME`": rulesfile.ServerFile,
    "`servers.NAME.api_keys[]`": rulesfile.KeyFile,
    "`servers.NAME.queue`": limitsfile.QueueFile,
    "`servers.NAME.timeout`": rulesfile.TimeoutFile,
    "`servers.NAME.tls`": rulesfile.TlsFile,
    "`servers.NAME.quirks`": rulesfile.QuirksFile,
    "`keepalive`, `servers.NAME.keepalive`": rulesfile.KeepAliveFile,
    "`models.SERVER/MODEL`": rulesfile.ModelFile,
    "an entry of `tiers`": pricefile.TierFile,
    "`aliases.NAME`": rulesfile.AliasFile,
    "an instance": rulesfile.InstanceFile,
    "an entry of `routes`": rulesfile.RouteFile,
    "its `route`": rulesfile.TargetFile,
    "its `mirror`": mirrorfile.MirrorFile,
    "`task`": matchfile.TaskFile,
    "`tokens`, `depth`": matchfile.RangeFile,
    "`time`": matchfile.TimeFile,
    "`redact`": layersfile.RedactFile,
    "`cache`": layersfile.CacheSettings,
    "`cache.exact`": layersfile.ExactCache,
    "`cache.semantic`": layersfile.SemanticCache,
    "`semantic_routes`": layersfile.SemanticRoutes,
    "`semantic_routes.categories.NAME`": layersfile.Category,
    "`arbiter`": rulesfile.ArbiterFile,
    "`limits`": layersfile.LimitsFile,
    "`limits.total`, `limits.groups.NAME`": layersfile.AllowanceFile,
    "an entry of `budgets`": layersfile.BudgetFile,
    "`capture`": layersfile.CaptureFile,
}


def words(annotation: Any) -> Iterator[str]:
    """The words that a value is chosen from."""
    for part in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield from [part] if isinstance(part, str) else []
        else:
            yield from words(part)


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None or isinstance(value, BaseModel) else f"`{json.dumps(value)}`"


def meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("<", "\\<")
    choice = list(dict.fromkeys(words(field.annotation)))
    told = all(re.search(rf"\b{word}\b", text + default(field)) for word in choice)
    return text if told else f"{', '.join(f'`{word}`' for word in choice)}: {text}"


def rows(model: type[BaseModel]) -> list[str]:
    return [
        f"| `{field.alias or name}` | {default(field)} | {meaning(field)} |"
        for name, field in model.model_fields.items()
    ]


@pytest.mark.parametrize("head", TABLES)
def test_the_table_has_every_key(head: str) -> None:
    """In the order of the code, with default and meaning as the JSON schema says them."""
    _, found, rest = TEXT.partition(f"\n| {head} | default | meaning |\n|---|---|---|\n")
    assert found, f"there is no table of {head}"
    wanted = rows(TABLES[head])
    assert rest.partition("\n\n")[0].rstrip("\n").split("\n") == wanted, "expected:\n" + "\n".join(wanted)


def test_no_table_is_of_nothing() -> None:
    """The tables of this shape are those that are held above."""
    assert re.findall(r"^\| (.+) \| default \| meaning \|$", TEXT, re.M) == list(TABLES)


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every mapping of the rules file that a value may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def test_no_mapping_lacks_a_table() -> None:
    """Whatever can be written below the top has a table."""
    found: set[type[BaseModel]] = set()
    new: set[type[BaseModel]] = {rulesfile.RulesFileModel}
    while new:
        found |= new
        new = {m for one in new for field in one.model_fields.values() for m in models(field.annotation)} - found
    assert found - {rulesfile.RulesFileModel} == set(TABLES.values())
