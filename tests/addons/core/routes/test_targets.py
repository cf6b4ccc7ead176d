"""Names of targets: aliases, server/model, and models that the file knows of."""

from __future__ import annotations

import pytest

from switchman.addons.core.routes.routes import Alias, Instance
from switchman.addons.core.routes.targets import in_words, instances_named, instances_of_model, server_and_model
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse

BOX, LAPTOP = Server("box", parse("http://box")), Server("laptop", parse("http://laptop"))
SERVERS = {"box": BOX, "laptop": LAPTOP}
PAIR = (Instance(BOX, "a"), Instance(LAPTOP, ""))
ALIASES = {"pair": Alias("pair", PAIR), "box/a": Alias("box/a", (Instance(LAPTOP, "spare"),))}


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("box/llama", Instance(BOX, "llama")),
        ("box/org/llama:7b", Instance(BOX, "org/llama:7b")),
        ("box//llama", Instance(BOX, "/llama")),
        ("box/", None),
        ("box", None),
        ("Box/llama", None),
        ("other/llama", None),
        ("/llama", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_name_is_split_at_the_first_slash(name: str, instance: Instance | None) -> None:
    """A known server, as it is written, and some model after it."""
    assert server_and_model(name, SERVERS) == instance


@pytest.mark.parametrize(
    ("name", "instances"),
    [
        ("pair", PAIR),
        ("box/a", (Instance(LAPTOP, "spare"),)),  # the alias is asked first
        ("box/b", (Instance(BOX, "b"),)),
        ("PAIR", ()),
        ("a", ()),
        ("", ()),
    ],
)
def test_an_alias_comes_before_a_server(name: str, instances: tuple[Instance, ...]) -> None:
    """A name that is neither stands for nothing."""
    assert instances_named(name, SERVERS, ALIASES) == instances


def test_a_bare_model_is_found_where_the_file_knows_it() -> None:
    """On every server that has it, in the order of the file; a part of a name is another name."""
    known = ["box/a", "laptop/a", "box/aa", "gone/a", "laptop", "box/org/a"]
    assert instances_of_model("a", SERVERS, known) == (Instance(BOX, "a"), Instance(LAPTOP, "a"))
    assert instances_of_model("org/a", SERVERS, known) == (Instance(BOX, "org/a"),)
    assert instances_of_model("", SERVERS, known) == ()


def test_instances_in_a_sentence() -> None:
    """In the order in which they are tried; a server alone keeps the client's model."""
    assert in_words(PAIR) == "box/a, then laptop"
    assert in_words([]) == ""
