"""Records on disk: in their order, bounded, for the owner only, and whole after a crash."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from switchman.addons.store.keeping.spool import BROKEN, PAGE, Spool, SpoolError
from switchman.addons.store.reading.filters import Filters
from switchman.addons.store.rows import Prepared, prepare
from switchman.addons.testing.samples import make_attempt, make_record


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "log.spool.db", 1_000_000)


def prepared(number: int = 0, **fields: object) -> Prepared:
    return prepare(make_record(id=f"r{number}", **fields), max_body=10**6)


def taken(spool: Spool, count: int = 1000, size: int = 10**9) -> list[Prepared]:
    with spool.oldest(count, size) as found:
        return found


def test_what_goes_in_comes_out_to_the_letter_in_its_order(spool: Spool) -> None:
    """Rows, attempts, and the bodies that are theirs; once."""
    same = b"one body for both sides"
    items = [
        prepared(1, request_body=b"ask", response_body=b"answer" * 100, attempts=(make_attempt(1), make_attempt(2))),
        prepared(2, request_body=same, response_body=same, started_at=0.1 + 0.2),
        prepared(3, request_body=None, response_body=None, error="é\ud800"),
    ]
    assert spool.append(items[:2]) == 2 and spool.append(items[2:]) == 1
    assert spool.state().records == 3
    found = taken(spool)
    assert [(item.row, item.attempts) for item in found] == [(item.row, item.attempts) for item in items]
    for item, original in zip(found, items, strict=True):
        assert {body.digest: body.data for body in item.bodies} == {body.digest: body.data for body in original.bodies}
    assert taken(spool) == [] and spool.state().records == 0


def test_a_portion_has_a_count_and_a_size(spool: Spool) -> None:
    """At least one is given, however large it is."""
    noise = random.Random(1).randbytes(50_000)
    spool.append([prepared(n, request_body=noise[n:]) for n in range(5)])
    assert [item.row["id"] for item in taken(spool, count=2)] == ["r0", "r1"]
    assert [item.row["id"] for item in taken(spool, size=1)] == ["r2"]
    assert [item.row["id"] for item in taken(spool, size=60_000)] == ["r3", "r4"]


def test_it_is_for_its_owner_only(spool: Spool) -> None:
    """It holds prompts, whatever the umask; so does the journal beside it."""
    before = os.umask(0)
    try:
        spool.append([prepared()])
        with spool.oldest(1, 1):
            modes = [stat.S_IMODE(file.stat().st_mode) for file in spool.path.parent.iterdir()]
    finally:
        os.umask(before)
    assert set(modes) == {0o600}


def test_a_link_in_its_place_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    """Nothing is written into somebody else's file."""
    other = tmp_path / "other"
    other.write_text("precious")
    spool.path.symlink_to(other)
    with pytest.raises(SpoolError):
        spool.append([prepared()])
    assert other.read_text() == "precious"


def test_it_is_bounded_and_shrinks_again(spool: Spool) -> None:
    """The file never takes more than was allowed; what does not fit is left to the caller."""
    generator = random.Random(2)
    items = [prepared(n, request_body=generator.randbytes(30_000)) for n in range(50)]
    kept = spool.append(items)
    assert 20 < kept < 34
    assert spool.append(items[kept:]) == 0
    assert 900_000 < spool.path.stat().st_size <= 1_000_000
    assert [item.row["id"] for item in taken(spool)] == [f"r{n}" for n in range(kept)]
    assert spool.path.stat().st_size < 50_000
    assert spool.append(items[kept:]) == len(items) - kept


def test_what_could_not_be_stored_stays(spool: Spool) -> None:
    """An error in the block leaves everything as it was."""
    spool.append([prepared(1), prepared(2)])
    with pytest.raises(ZeroDivisionError), spool.oldest(1, 1):
        raise ZeroDivisionError
    assert [item.row["id"] for item in taken(spool)] == ["r1", "r2"]


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.rows import prepare
from switchman.addons.testing.samples import make_record
spool = Spool(Path(sys.argv[1]), 10**7)
spool.append([prepare(make_record(id="whole"), max_body=10**6)])
with spool._open() as db:
    db.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
    db.execute("BEGIN IMMEDIATE")
    for n in range(200):
        db.execute("INSERT INTO records (rows, size) VALUES (?, 1)", ("[{" + "x" * 10_000,))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_half_written_record_does_not_survive_and_the_others_do(spool: Spool) -> None:
    """A process that is killed in the middle of a transaction."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(spool.path)], timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert spool.path.stat().st_size > 1_000_000
    assert [item.row["id"] for item in taken(spool)] == ["whole"]


def test_a_file_that_is_none_is_put_aside(spool: Spool) -> None:
    """What came after is kept, and the file is there to be looked at."""
    spool.path.write_bytes(b"this is no database" * 1000)
    assert spool.append([prepared(1)]) == 1
    assert Path(f"{spool.path}{BROKEN}").exists() and len(taken(spool)) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As one kind of error."""
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "x.db", 1000)
    for use in (lambda: spool.append([prepared()]), lambda: spool.count_dropped(1, 0.0)):
        with pytest.raises(SpoolError):
            use()


def test_rows_of_another_version_fit(spool: Spool) -> None:
    """A column that is new has its default, one that is gone is left out: an upgrade loses nothing that waits."""
    spool.append([prepared(1)])
    with sqlite3.connect(spool.path) as db:
        db.execute("UPDATE records SET rows = replace(rows, '\"request_head_cut\": 0', '\"gone\": 1')")
    db.close()
    (item,) = taken(spool)
    assert item.row == prepared(1).row


def test_drops_are_counted_also_when_it_is_full(spool: Spool) -> None:
    """So that the dashboard, another process, can say so."""
    generator = random.Random(3)
    spool.append([prepared(n, request_body=generator.randbytes(30_000)) for n in range(50)])
    spool.count_dropped(3, 5.0)
    spool.count_dropped(4, 6.0)
    state = spool.state()
    assert (state.dropped, state.dropped_at) == (7, 6.0) and state.records > 20


def test_asking_makes_no_file(spool: Spool) -> None:
    """Most logs never need one."""
    assert spool.state() == (0, 0, 0.0) and taken(spool) == []
    assert not spool.path.exists()


def test_a_record_that_cannot_be_read_holds_up_no_other(spool: Spool) -> None:
    """Whatever is in it; it counts as dropped, and does not come again."""
    spool.append([prepared(1)])
    wrong = ("{", "[1]", "[1, 2]", "[{}, [3]]", '[{"request_hash": 5}, []]', "[" * 100_000, "[null, []]")
    db = sqlite3.connect(spool.path)
    db.executemany("INSERT INTO records (rows, size, request) VALUES (?, 1, x'00')", [(text,) for text in wrong])
    db.commit()
    db.close()
    spool.append([prepared(2)])
    assert [item.row["id"] for item in taken(spool, count=2)] == ["r1", "r2"]
    assert spool.state()[:2] == (0, len(wrong)) and spool.state().dropped_at > 1e9


def test_a_file_that_is_damaged_within_is_set_aside(spool: Spool) -> None:
    """One look fails and says why; from then on there is room for records again."""
    noise = random.Random(1).randbytes(300_000)
    spool.append([prepared(n, request_body=noise[n:]) for n in range(2)])
    data = bytearray(spool.path.read_bytes())
    data[PAGE:] = b"\xff" * (len(data) - PAGE)
    spool.path.write_bytes(data)
    with pytest.raises(SpoolError):
        taken(spool)
    assert spool.path.with_name(f"{spool.path.name}{BROKEN}").stat().st_size == len(data)
    spool.append([prepared(3)])
    assert [item.row["id"] for item in taken(spool)] == ["r3"]


# The columns of schema 0010, as the version before figures wrote them.
COLUMNS_OF_0010 = """
    id started_at duration_ms method path client dialect operation requested_model layer route server model status
    outcome streamed error overhead_ms ttft_ms tokens_per_second input_tokens output_tokens cached_tokens
    reasoning_tokens finish_reason cache saved_ms token token_id cost_microdollars saved_microdollars capture capture_by
    session kept_as attempt_count request_headers response_headers trace request_hash request_size request_truncated
    response_hash response_size response_truncated request_fields_cut request_head_cut response_fields_cut
    response_head_cut stored_size
"""
ATTEMPTS_OF_0010 = """
    request_id number server model url started_at duration_ms status outcome error first_byte_ms changes
    cost_microdollars
"""


def test_rows_of_an_older_version_are_taken_in(store, spool: Spool) -> None:
    """What schema 0010 did not know is worked out where it can be: the class of an error from how it ended."""
    items = [
        prepared(1, outcome="failed", status=502, attempts=(make_attempt(1, outcome="connect", status=None),)),
        prepared(2, outcome="upstream_error", status=429, session="s" * 32),
        prepared(3),
    ]
    for item in items:
        item.row = {name: item.row[name] for name in COLUMNS_OF_0010.split()}
        item.attempts = [{name: one[name] for name in ATTEMPTS_OF_0010.split()} for one in item.attempts]
    spool.append(items)
    found = taken(spool)
    assert [item.row["error_class"] for item in found] == ["connection", "rate_limit", None]
    writer = store.writer()
    writer._store(found)
    assert (writer.counts.written, writer.counts.failed) == (3, 0)
    assert [row.id for row in store.queries.list_requests(Filters(error="rate_limit")).rows] == ["r2"]
    session = store.queries.get_session("s" * 32)
    assert session is not None and (session.requests, session.errors) == (1, 1)
    assert store.queries.latency_summary().overall.count == 3
