"""What rules say, by names that several of them may have."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.routes.routes import Match, Route
from switchman.addons.core.rules.byrule import captures, fallbacks_on, redacts
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.texts.redaction.redactor import Redact


def rule(name: str, **said: object) -> Route:
    return Route(name, Match(), None, None, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "found"),
    [(("full",), "full"), (("full", "metadata"), "metadata"), (("metadata", None, "redacted"), "metadata")],
)
def test_the_strictest_capture_of_one_name_holds(said: tuple[Capture | None, ...], found: Capture) -> None:
    """A row knows only the name."""
    assert captures(tuple(rule("a", capture=one) for one in said)) == {"a": found}


def test_all_that_rules_of_one_name_redact_is_redacted() -> None:
    """In the order of the rules; a rule that says nothing adds nothing."""
    one, two = Redact(kinds=frozenset({"email"})), Redact(kinds=frozenset({"phone"}))
    assert redacts((rule("a", redact=one), rule("b"), rule("a", redact=two))) == {"a": (one, two)}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([{"context"}], {"context"}),
        ([{"context"}, {"content_filter", "context"}], {"context"}),
        ([{"context"}, None], {"context"}),
        ([set(), {"context"}], set()),
    ],
)
def test_rules_of_one_name_fall_back_on_what_all_of_them_say(
    said: list[set[FallbackOn] | None], found: set[FallbackOn]
) -> None:
    """None of them sends a request on that it would have kept."""
    routes = [rule("a", fallback_on=None if one is None else frozenset(one)) for one in said]
    assert fallbacks_on(routes) == {"a": frozenset(found)}
    assert fallbacks_on([rule("a")]) == {}
