"""A record becomes rows that every database takes, whatever came from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.store.rows import (
    MAX_ATTEMPTS,
    MAX_DETAIL,
    MAX_TEXT,
    MAX_TRACE,
    MAX_TRIED,
    MOST_SUMMED,
    ROW_OVERHEAD,
    fit_text,
    prepare,
)
from switchman.addons.store.tables import attempts, requests
from switchman.addons.testing.samples import make_attempt, make_record

SECRET = "sk-0123456789abcdefghijklmn"


def row_of(**fields: Any) -> dict[str, Any]:
    return prepare(make_record(**fields), max_body=1000).row


def test_each_column_has_a_value() -> None:
    """A column that is added to the table and forgotten here would be a log that takes no row."""
    prepared = prepare(make_record(), max_body=1000)
    assert set(prepared.row) == {column.name for column in requests.columns} - {"seq"}
    assert set(prepared.attempts[0]) == {column.name for column in attempts.columns}


def test_costs_are_written_by_the_names_of_their_unit() -> None:
    """Micro-dollars; what is not known stays so."""
    record = make_record(cost=713, saved_cost=2**70, attempts=(make_attempt(cost=713), make_attempt(number=2)))
    prepared = prepare(record, max_body=1000)
    assert (prepared.row["cost_microdollars"], prepared.row["saved_microdollars"]) == (713, MOST_SUMMED)
    assert [attempt["cost_microdollars"] for attempt in prepared.attempts] == [713, None]
    assert row_of()["cost_microdollars"] is None


@pytest.mark.parametrize(
    ("text", "most", "fitted"),
    [
        ("plain", 5, "plain"),
        ("longer", 5, "lo..."),
        ("nul\0", 9, "nul\ufffd"),
        ("half \ud83c", 9, "half \ufffd"),
        ("问题", 9, "问题"),
        (12, 9, "12"),
    ],
)
def test_text_that_no_database_holds_is_made_to_fit(text: object, most: int, fitted: str) -> None:
    """Cut, or replaced: the row is worth more than one character."""
    assert fit_text(text, most) == fitted


@pytest.mark.parametrize(
    ("fields", "name", "stored"),
    [
        ({"input_tokens": 10**30}, "input_tokens", MOST_SUMMED),
        ({"status": -(10**12)}, "status", -(2**31 - 1)),
        ({"ttft_ms": float("nan")}, "ttft_ms", None),
        ({"duration_ms": 3}, "duration_ms", 3.0),
        ({"layer": "x" * 65}, "layer", "x" * 61 + "..."),
        ({"layer": None}, "layer", None),
        ({"requested_model": 7}, "requested_model", "7"),
        ({"error": "e" * (MAX_TEXT + 1)}, "error", "e" * (MAX_TEXT - 3) + "..."),
    ],
)
def test_a_value_fits_its_column(fields: dict[str, Any], name: str, stored: object) -> None:
    """Numbers are cut to the column's range, what is no number is none, text is cut to its length."""
    assert row_of(**fields)[name] == stored


def test_no_secret_is_left_whoever_forgot_to_mask() -> None:
    """In the path, in headers, in an error, in the trace, in an attempt's URL and error."""
    prepared = prepare(
        make_record(
            path=f"/v1/models?key={SECRET}", error=f"bad key {SECRET}",
            request_headers=(("authorization", f"Bearer {SECRET}"),), response_headers=(("x-api-key", SECRET),),
            trace=({"layer": "arbiter", "outcome": "error", "detail": f"bad key {SECRET}"},),
            attempts=(make_attempt(url=f"https://u:p@host/v1?key={SECRET}", error=f"bad key {SECRET}"),),
        ),
        max_body=1000,
    )  # fmt: skip
    assert SECRET not in f"{prepared.row}{prepared.attempts}"
    assert "u:p" not in prepared.attempts[0]["url"]
    assert prepared.row["trace"].count(SECRET[-4:]) == 1  # what tells two keys apart stays


def test_odd_values_in_json_are_cleaned_and_the_rest_stays_to_the_letter() -> None:
    """JSON columns hold no NUL, no half character, no NaN; what is too long is cut value by value."""
    odd = {"layer": "x", "outcome": "hit", "detail": "a\0b\ud800", "score": float("inf"), "elapsed_ms": 1.5}
    (line,) = json.loads(row_of(trace=(odd,))["trace"])
    assert line == {**odd, "detail": "a\ufffdb\ufffd", "score": None}
    huge = tuple({"layer": "x", "outcome": "hit", "detail": "v" * MAX_TRACE} for number in range(3))
    assert [len(line["detail"]) for line in json.loads(row_of(trace=huge)["trace"])] == [MAX_DETAIL] * 3
    plain = (("x-a", 'quoted "ü" \\u0000'),)
    assert json.loads(row_of(request_headers=plain)["request_headers"]) == [list(plain[0])]


def test_bodies_are_kept_or_their_size_is() -> None:
    """Empty is 0 bytes; one that was not kept has the size that is known of it; one too large is cut and says so."""
    prepared = prepare(make_record(request_body=b"", response_body=None, response_size=77), max_body=1000)
    assert prepared.bodies == []
    assert (prepared.row["request_size"], prepared.row["response_size"]) == (0, 77)
    assert (prepared.row["request_hash"], prepared.row["response_hash"]) == (None, None)
    prepared = prepare(make_record(request_body=b"x" * 11, response_body=b"x" * 11), max_body=10)
    assert prepared.row["request_hash"] == prepared.row["response_hash"] == prepared.bodies[0].digest
    assert (prepared.row["request_size"], prepared.row["request_truncated"]) == (11, True)


def test_a_request_that_was_tried_without_end_is_one_row() -> None:
    """The attempts are numbered from 1, by their order, and bounded."""
    prepared = prepare(make_record(attempts=[make_attempt(9)] * (MAX_ATTEMPTS + 1)), max_body=10)
    assert [row["number"] for row in prepared.attempts] == list(range(1, MAX_ATTEMPTS + 1))
    assert prepared.row["attempt_count"] == MAX_ATTEMPTS


def test_heads_of_any_length_are_cut_and_counted() -> None:
    """An answer's head of 900 kB and a request's of 64 kB; credentials are masked before anything is cut."""
    long_secret = "Bearer " + "k" * 5000 + "last"
    row = row_of(
        request_headers=(("authorization", long_secret), *((f"x-{n}", "v" * 640) for n in range(100))),
        response_headers=(("set-cookie", "a=" + "s" * 900_000), ("x-big", "w" * 900_000), ("content-type", "a/b")),
    )
    kept = json.loads(row["request_headers"])
    assert kept[0] == ["authorization", "Bearer ...last"]
    assert row["request_fields_cut"] == 101 - len(kept) > 70
    assert len(row["request_headers"]) < 20_000
    assert row["request_head_cut"] == sum(len(f"x-{n}") + 640 for n in range(len(kept) - 1, 100))
    names = [name for name, _ in json.loads(row["response_headers"])]
    assert (names, row["response_fields_cut"]) == (["set-cookie", "x-big", "content-type"], 0)
    assert row["response_head_cut"] == 900_000 - 2045


def test_nothing_that_somebody_else_can_make_long_makes_a_row_large() -> None:
    """Every text of a record 40 kB, hundreds of attempts, a trace of ten thousand lines: less than 250 kB in all."""
    long = "x" * 40_000
    texts = ("method", "path", "client", "dialect", "operation", "requested_model", "layer", "route", "server", "model")
    line = {"layer": long, "outcome": "miss", "detail": long}
    tried = make_attempt(server=long, model=long, url=long, error=long, outcome=long, changes=(long,) * 30)
    prepared = prepare(
        make_record(
            **dict.fromkeys((*texts, "error", "finish_reason", "cache"), long), attempts=(tried,) * 200,
            trace=(line,) * 20, request_headers=((long, long),) * 3, response_headers=(("a", "b"),) * 10_000,
        ),
        max_body=10,
    )  # fmt: skip
    size = sum(len(str(value)) for row in (prepared.row, *prepared.attempts) for value in row.values())
    assert size < 250_000
    assert abs(prepared.row["stored_size"] - ROW_OVERHEAD - size) < size / 10
    assert sum(len(row["error"]) for row in prepared.attempts) < MAX_TRIED + MAX_DETAIL
    trace = json.loads(prepared.row["trace"])
    assert trace[-1]["detail"] == f"{20 - len(trace) + 1} more lines are not kept" and len(trace) > 5
    assert prepared.row["response_fields_cut"] > 9_700


@pytest.mark.parametrize("fields", [{"request_body": "text"}, {"status": "many"}, {"trace": ("a line",)}])
def test_what_is_no_record_is_refused(fields: dict[str, Any]) -> None:
    """TypeError or ValueError, which the writer counts and goes on."""
    with pytest.raises((TypeError, ValueError)):
        prepare(make_record(**fields), max_body=10)
