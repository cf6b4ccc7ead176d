"""The settings of the layers of `auto`: times, modes, and where the arbiter is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from switchman.addons.core.rules.layersfile import (
    ArbiterFile,
    CacheSettings,
    Category,
    ExactCache,
    SemanticCache,
    SemanticRoutes,
    seconds,
)


def refused(model: type[BaseModel], written: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(written)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "duration"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("24h", 86_400.0), ("7d", 604_800.0), (" 2 h ", 7_200.0), ("0", 0.0)],
)
def test_times(written: str, duration: float) -> None:
    """Seconds, minutes, hours or days; a bare number is seconds."""
    assert seconds(written) == duration
    assert ExactCache.model_validate({"ttl": written}).ttl == duration


@pytest.mark.parametrize("written", ["", "soon", "-1h", "1 day", "1h30m", "h", "1.h", ".5h", "1e3", "١h" * 100])
def test_what_is_no_time(written: str) -> None:
    """It is repeated, cut short."""
    with pytest.raises(ValueError, match="expected a time such as 90s, 30m, 24h or 7d, not") as caught:
        seconds(written)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("ttl", "taken"), [(0, True), (366 * 86_400, True), ("367d", False), (-1, False), (None, False)]
)
def test_how_long_an_answer_may_be_kept(ttl: Any, taken: bool) -> None:
    """From not at all to a year."""
    if taken:
        assert ExactCache.model_validate({"ttl": ttl}).ttl == ttl
    else:
        refused(ExactCache, {"ttl": ttl})


@pytest.mark.parametrize(
    ("written", "mode"), [(True, "on"), (False, "off"), ("on", "on"), ("off", "off"), ("shadow", "shadow")]
)
def test_modes(written: Any, mode: str) -> None:
    """YAML 1.1 reads on and off as true and false."""
    assert SemanticCache.model_validate({"mode": written}).mode == mode


@pytest.mark.parametrize("written", [1, 0, "yes", "ON", None, []])
def test_what_is_no_mode(written: Any) -> None:
    """Neither numbers nor other words; routing by meaning has no shadow."""
    refused(SemanticCache, {"mode": written})
    refused(SemanticRoutes, {"mode": written})
    refused(SemanticRoutes, {"mode": "shadow"})


def test_the_caches_as_shipped() -> None:
    """A day, for each caller alone; by meaning nothing is served before somebody says so."""
    cache = CacheSettings()
    assert (cache.exact.ttl, cache.exact.max_entries, cache.exact.scope) == (86_400.0, 10_000, "caller")
    assert (cache.semantic.mode, cache.semantic.threshold, cache.semantic.guard) == ("shadow", 0.95, "strict")
    assert cache.models == []


@pytest.mark.parametrize("share", [0, 0.5, 1, 1.0])
def test_shares(share: float) -> None:
    """From nothing to all, both included."""
    assert SemanticCache.model_validate({"threshold": share}).threshold == share
    assert SemanticRoutes.model_validate({"threshold": share}).threshold == share
    assert (
        ArbiterFile.model_validate({"url": "http://h", "model": "m", "min_confidence": share}).min_confidence == share
    )


@pytest.mark.parametrize("share", [-0.01, 1.01, "0.5", True, None, float("nan")])
def test_what_is_no_share(share: Any) -> None:
    """95 is not 0.95."""
    refused(SemanticCache, {"threshold": share})
    refused(SemanticRoutes, {"threshold": share})
    refused(ArbiterFile, {"url": "http://h", "model": "m", "min_confidence": share})


def test_a_category_by_its_target() -> None:
    """Short for a mapping with target; without one it is off."""
    routes = SemanticRoutes.model_validate({"categories": {"code": "s/m", "talk": {"utterances": ["hi"]}, "none": {}}})
    assert routes.categories == {
        "code": Category(target="s/m"),
        "talk": Category(utterances=["hi"]),
        "none": Category(),
    }
    refused(SemanticRoutes, {"categories": {"code": ["s/m"]}})
    refused(SemanticRoutes, {"categories": {"": "s/m"}})
    refused(SemanticRoutes, {"categories": {"code": {"utterances": [""]}}})


@pytest.mark.parametrize(
    "written",
    [
        {"model": "m"},
        {"model": "m", "url": "http://h", "server": "s"},
        {"model": "m", "url": "h:11434"},
        {"url": "http://h"},
        {"url": "http://h", "model": ""},
        {"url": "http://h", "model": "m", "timeout_ms": 0},
        {"url": "http://h", "model": "m", "timeout_ms": 60_001},
        {"url": "http://h", "model": "m", "targets": {"code": ""}},
    ],
)
def test_an_arbiter_that_could_not_answer(written: dict[str, Any]) -> None:
    """In no place or two, without a model, without time, or with nowhere to go."""
    refused(ArbiterFile, written)


@pytest.mark.parametrize("place", [{"url": "http://h:11434"}, {"server": "s"}])
def test_an_arbiter(place: dict[str, str]) -> None:
    """By an address or by a server's name; it has 140 ms, and must be surer than not."""
    arbiter = ArbiterFile.model_validate({"model": "m", **place})
    assert (arbiter.timeout_ms, arbiter.min_confidence, arbiter.targets) == (140.0, 0.6, {})


@pytest.mark.parametrize("written", [{"max_entries": 0}, {"max_entries": 1.5}, {"scope": "all"}, {"ttl": True}])
def test_what_no_cache_takes(written: dict[str, Any]) -> None:
    """No entries, half ones, or another scope."""
    refused(ExactCache, written)
