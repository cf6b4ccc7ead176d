"""How often each rule answered: exact, and by the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from switchman.addons.store import Store
from switchman.addons.store.reading.hits import AT_ONCE, Hit
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
Heard = Callable[[Engine], list[tuple[str, Any]]]


def test_hits_are_counted_by_layer_and_name_within_the_range(store: Store, write: Write) -> None:
    """The last one is of all that there is; a rule that never answered is there with none; a NUL is no trouble."""
    rows = [("route", "a", 10.0), ("route", "a", 20.0), ("route", "a", 30.0), ("conversation", "a", 25.0)]
    rows += [("alias", "a", 26.0), ("route", "b", 5.0), ("default", "", 27.0)]
    write(
        store,
        *(
            make_record(id=f"r{n}", started_at=at, layer=layer, route=route)
            for n, (layer, route, at) in enumerate(rows)
        ),
    )
    wanted = [("route", "a"), ("conversation", "a"), ("route", "b"), ("route", "c"), ("route", "\0"), ("route", "a")]
    assert store.queries.rule_hits(wanted, 10.0, 30.0) == {
        ("route", "a"): Hit(2, 30.0),
        ("conversation", "a"): Hit(1, 25.0),
        ("route", "b"): Hit(0, 5.0),
        ("route", "c"): Hit(0, None),
        ("route", "\0"): Hit(0, None),
    }
    assert store.queries.rule_hits([("route", "a")], None, None) == {("route", "a"): Hit(3, 30.0)}
    assert store.queries.layer_hits(["route", "default", "list"], 10.0, None) == {
        "route": Hit(3, 30.0),
        "default": Hit(1, 27.0),
        "list": Hit(0, None),
    }
    assert store.queries.rule_hits([], None, None) == {} == store.queries.layer_hits([], None, None)


def test_many_rules_are_asked_for_in_parts(store: Store, write: Write) -> None:
    names = [("route", f"r{n}") for n in range(2 * AT_ONCE + 1)]
    write(store, make_record(id="one", started_at=1.0, layer="route", route=names[-1][1]))
    found = store.queries.rule_hits(names, None, None)
    assert len(found) == len(names) and sum(hit.count for hit in found.values()) == 1


def test_no_row_is_looked_at(store: Store, write: Write, heard: Heard) -> None:
    """SQLite answers from the index alone, however many rows there are."""
    if store.engine.dialect.name != "sqlite":
        return
    write(store, make_record(id="one", started_at=1.0, layer="route", route="a"))
    said = heard(store.engine)
    store.queries.rule_hits([("route", "a")], 0.0, 9.0)
    store.queries.layer_hits(["route"], 0.0, 9.0)
    for statement, values in [one for one in said if "wanted" in one[0]]:
        with store.engine.connect() as conn:
            plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
        looks = [line for line in plan if "requests" in line]
        assert looks and all("USING COVERING INDEX" in line for line in looks), plan
