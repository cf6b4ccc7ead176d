"""The shipped example and schema are held to the models that read the file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from switchman.addons.core.rules.presets import parse_presets
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.rules.rulesfile import json_schema
from switchman.addons.core.servers.reaching.reach import PemFile, Reach, Tls
from switchman.addons.core.servers.reaching.references import Secret
from switchman.addons.core.servers.servers import KeepAlive, Quirks

RULES = Path(__file__).parents[2] / "rules"
EXAMPLE = (RULES / "routes.example.yaml").read_text()
PRESETS = parse_presets((RULES / "presets.yaml").read_text(), "presets.yaml")
EVERYTHING = re.sub(r"^(\s*)#(?=\S)", r"\1", EXAMPLE, flags=re.MULTILINE)  # "#key" is a key, "# text" a comment

ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=False, model_map={}, request_timeout=3000.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip


class GoodFiles:
    """All files are there."""

    def authorities(self, path: str) -> PemFile:
        return PemFile(path, "")

    def folder(self, path: str) -> str:
        return path

    def identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        return PemFile(certificate, ""), PemFile(key, "") if key else None

    def words(self, path: str) -> str:
        return f"a word of {path}"


class GoodSecrets:
    """All keys are there."""

    def file(self, path: str) -> Secret:
        return Secret(f"key-in-{path}")

    def vault(self, name: str) -> Secret:
        return Secret(f"key-of-{name}")


def parsed(text: str) -> Ruleset:
    env = {"LAPTOP_API_KEY": "x", "COMPANY_API_KEY": "key-of-company"}
    return parse_ruleset(text, "routes.example.yaml", ENVIRONMENT, env, PRESETS, GoodFiles(), sources=GoodSecrets())


def schema_keys(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(model, key) for every key that a file may have."""
    places = {"RulesFileModel": schema, **schema["$defs"]}
    for name, place in places.items():
        for form in (place, *place.get("anyOf", ())):
            for key in form.get("properties", {}):
                yield name, key


def keys_in(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
        for value in data.values():
            yield from keys_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from keys_in(value)


def test_the_schema_file_is_the_models() -> None:
    """If this fails: switchman check --schema > rules/routes.schema.json"""
    assert json.loads((RULES / "routes.schema.json").read_text()) == json_schema()


def test_the_schema_has_all_sections() -> None:
    """So that the next test has something to hold the example to."""
    keys = set(schema_keys(json_schema()))
    assert len(keys) > 35
    assert {("RulesFileModel", "servers"), ("ServerFile", "retry_on"), ("TimeoutFile", "idle")} <= keys


def test_the_example_loads_as_it_stands() -> None:
    """Copied to routes.yaml, without any variable set, and without a warning."""
    assert parse_ruleset(EXAMPLE, "e", ENVIRONMENT, {}, PRESETS).warnings == ()


def test_the_example_loads_with_everything_switched_on() -> None:
    """Each line that is commented out works when it is not."""
    assert EVERYTHING != EXAMPLE
    rules = parsed(EVERYTHING)
    assert rules.warnings == ()
    assert rules.servers["laptop"].api_key is not None
    own = (PemFile("router.pem", ""), PemFile("router.key", ""))
    assert rules.servers["company"].reach == Reach(tls=Tls(PemFile("company-ca.pem", ""), None, *own))


def test_the_example_has_every_key() -> None:
    """A key that is added to a model is missing here until the example shows it."""
    shown = set(keys_in(load(EVERYTHING, "e").data))
    assert {key for _, key in schema_keys(json_schema())} - shown == set()


def test_the_example_shows_defaults_where_it_says_so() -> None:
    """What stands as a default in a comment is the value that a server without the key has."""
    laptop, plain = parsed(EXAMPLE).servers["laptop"], parsed(EXAMPLE).servers["fast-box"]
    assert laptop.timeout == plain.timeout
    assert laptop.forward_auth == plain.forward_auth
    assert laptop.quirks == plain.quirks == Quirks()
    assert laptop.keepalive == plain.keepalive == KeepAlive()
    assert parsed("routes: [{route: {model: x}}]").routes[0].priority == 500
    assert "Default: 500" in EXAMPLE
