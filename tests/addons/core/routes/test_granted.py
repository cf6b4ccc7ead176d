"""Who may use an alias may use what it stands for."""

from __future__ import annotations

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.routes.granted import is_alias_granted, is_granted
from switchman.addons.core.routes.routes import Alias, Instance
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse

HOME, CLOUD = Server("home", parse("http://127.0.0.1:1")), Server("cloud", parse("https://c.example"))
ALIASES = {
    "fast": Alias("fast", (Instance(HOME, "llama3:latest"), Instance(CLOUD, "gpt-4o-mini"))),
    "best": Alias("best", (Instance(CLOUD, "o3"),)),
}


def may(caller: Caller | None) -> dict[str, list[str]]:
    models = [("home", "llama3"), ("cloud", "gpt-4o-mini"), ("cloud", "o3")]
    return {
        "models": [f"{server}/{model}" for server, model in models if is_granted(caller, server, model, ALIASES)],
        "aliases": [alias.name for alias in ALIASES.values() if is_alias_granted(caller, alias, ALIASES)],
    }


def test_nobody_and_the_unrestricted_may_use_all() -> None:
    """Without a token, and with one that has no globs."""
    everything = {"models": ["home/llama3", "cloud/gpt-4o-mini", "cloud/o3"], "aliases": ["fast", "best"]}
    assert may(None) == may(Caller("0", "c")) == everything


def test_an_alias_opens_what_it_stands_for() -> None:
    """Under either way to write an Ollama model's name."""
    assert may(Caller("0", "c", models=("fast",))) == {
        "models": ["home/llama3", "cloud/gpt-4o-mini"],
        "aliases": ["fast"],
    }


def test_a_server_that_is_not_granted_stays_closed() -> None:
    """An alias with one instance that may be used is there, and leads to that one."""
    at_home = Caller("0", "c", models=("fast",), servers=("home",))
    assert may(at_home) == {"models": ["home/llama3"], "aliases": ["fast"]}
    assert may(Caller("0", "c", servers=("cloud",))) == {
        "models": ["cloud/gpt-4o-mini", "cloud/o3"],
        "aliases": ["fast", "best"],
    }


def test_a_model_opens_the_aliases_that_have_it() -> None:
    """They lead to it, and to nothing else."""
    assert may(Caller("0", "c", models=("o3",))) == {"models": ["cloud/o3"], "aliases": ["best"]}
    assert may(Caller("0", "c", models=("nothing",))) == {"models": [], "aliases": []}
