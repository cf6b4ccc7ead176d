"""`mirror:` of a route: its grammar, whom it takes, and what it may see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.reading.mirrorfile import Mirror
from switchman.addons.core.rules.ruleset import RulesError, Ruleset, parse_ruleset

SETTINGS = SimpleNamespace(
    default_upstream="http://up:8000", default_upstream_set=True, model_map={}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
FILE = """
servers: {a: "http://a", b: "http://b", c: {url: "http://c", enabled: OFF}}
aliases: {two: {instances: [b/x, a/x]}}
local_only: LOCAL
routes:
  - {name: one, match: {model: x}, route: {model: a/x, mirror: MIRROR, local_only: BOUND}}
"""


def read(mirror: str = "{target: b/y}", *, off: str = "true", local: str = "[]", bound: str = "false") -> Ruleset:
    text = FILE.replace("MIRROR", mirror).replace("OFF", off).replace("LOCAL", local).replace("BOUND", bound)
    return parse_ruleset(text, "r.yaml", SETTINGS)


def found(rules: Ruleset, route: str = "one", layer: str = "route", server: str = "a") -> Mirror | None:
    return rules.mirror_for(Plan((Candidate(rules.servers[server], "x"),), layer, route))


def test_what_is_not_said() -> None:
    """A tenth of the conversations, and a dollar a day."""
    mirror = found(read())
    assert mirror is not None
    assert (mirror.target.server.name, mirror.target.model) == ("b", "y")
    assert (mirror.share, mirror.max_cost, mirror.local_only) == (0.1, 1_000_000, False)
    full = found(read("{target: two, share: 0.5, max_cost: 0.25}"))
    assert full is not None and full.target.server.name == "b" and (full.share, full.max_cost) == (0.5, 250_000)


def test_only_requests_of_its_rule() -> None:
    """Also those that stay with a target that the rule gave them; an alias may have a rule's name, and is none."""
    rules = read()
    assert found(rules, layer="conversation") is not None
    assert found(rules, layer="alias") is found(rules, "other") is None


@pytest.mark.parametrize(
    ("local", "bound", "sees"),
    [("[]", "false", True), ("[a]", "false", False), ("[]", "true", False), ("[a, b]", "false", True),
     ("[b]", "true", True), ("[b]", "false", True)],
)  # fmt: skip
def test_what_must_stay_is_not_mirrored_elsewhere(local: str, bound: str, sees: bool) -> None:
    """As for fallbacks: the first target's server, and those of local_only."""
    assert (found(read(local=local, bound=bound)) is not None) == sees
    assert found(read("{target: a/y}", local=local, bound=bound)) is not None


def test_a_conversation_is_taken_whole() -> None:
    """The same answer each time; of many about the share, of each share the ones of a smaller share among them."""
    rules = read()
    target = rules.mirrors["one"].target
    names = [f"conversation {number}" for number in range(4000)]
    taken = {share: {n for n in names if Mirror("r", target, share, 0).takes(n)} for share in (0.0, 0.1, 0.5, 1.0)}
    assert taken[0.0] == set() and taken[1.0] == set(names)
    assert taken[0.1] < taken[0.5] and 300 < len(taken[0.1]) < 500 and 1850 < len(taken[0.5]) < 2150
    other = {n for n in names if Mirror("another", target, 0.5, 0).takes(n)}
    assert other != taken[0.5]


@pytest.mark.parametrize(
    ("mirror", "said"),
    [("{}", "target"), ("{target: nobody/x}", "nobody"), ("{target: b/x, share: 1.1}", "share"),
     ("{target: b/x, share: .nan}", "share"), ("{target: b/x, max_cost: -1}", "max_cost"), ("b/x", "mirror"),
     ("{target: b/x, shares: 1}", "shares")],
)  # fmt: skip
def test_faults(mirror: str, said: str) -> None:
    """With their place, and what is wrong there."""
    with pytest.raises(RulesError) as caught:
        read(mirror)
    assert said in str(caught.value) and "r.yaml:6:" in str(caught.value)


def test_a_name_that_two_routes_have_is_a_fault() -> None:
    """A request is known by the name of its rule, and another rule's requests may be nobody else's business."""
    text = (
        FILE.replace("MIRROR", "{target: b/y}").replace("OFF", "true").replace("LOCAL", "[]").replace("BOUND", "false")
    )
    with pytest.raises(RulesError, match="another route is called 'one'"):
        parse_ruleset(text + "  - {name: one, match: {model: y}, route: {model: a/x}}\n", "r.yaml", SETTINGS)


def test_a_server_that_is_off_is_warned_of() -> None:
    """Nothing is mirrored while it is."""
    assert [w.message for w in read("{target: c/x}", off="false").warnings] == [
        "c is off (enabled: false), so nothing is mirrored"
    ]
