"""Several keys of one server: turns, weights, conversations, and rests."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import SecretStr

from switchman.addons.core.keys.ring import LONGEST, MAX_RESTS, MOST, REST, KeyRing, shares_keys
from switchman.addons.core.servers.servers import Server, ServerKey
from switchman.addons.core.servers.urls import parse


def key(label: str, weight: int = 1, value: str = "") -> ServerKey:
    return ServerKey(SecretStr(value or f"value-of-{label}"), label, weight)


def server(*keys: ServerKey, name: str = "s") -> Server:
    return Server(name, parse("http://s:1"), api_key=keys[0].value, keys=keys)


A, B, C = key("a"), key("b"), key("c")
ABC = server(A, B, C)


def labels(ring: KeyRing, of: Server, count: int, now: float = 0.0, **more: Any) -> str:
    return "".join(ring.choose(of, "s/m", now, **more).label for _ in range(count))


def test_in_turn() -> None:
    """Each server for itself."""
    ring, other = KeyRing(), server(A, B, name="t")
    assert labels(ring, ABC, 4) == "abca"
    assert labels(ring, other, 3) == "aba"
    assert labels(ring, ABC, 2) == "bc"
    assert shares_keys(ABC) and not shares_keys(server(A))


def test_by_weight() -> None:
    """In shares that are exact, and spread: never more of one in a row than needed."""
    weighed = server(key("a", 5), key("b", 1), key("c", 1))
    ring = KeyRing()
    assert labels(ring, weighed, 7) == "aabacaa"
    assert Counter(labels(ring, weighed, 700)) == {"a": 500, "b": 100, "c": 100}


def test_a_conversation_keeps_its_key() -> None:
    """It takes nobody's turn; a key that rests, or that there is not any more, is left for the next in turn."""
    ring = KeyRing()
    assert labels(ring, ABC, 5, held="b") == "bbbbb"
    assert labels(ring, ABC, 3) == "abc"
    ring.refused(ABC, "s/m", B, 401, 0.0, 10.0)
    assert labels(ring, ABC, 2, now=1.0, held="b") == "ac"
    assert labels(ring, ABC, 1, now=11.0, held="b") == "b"
    assert labels(ring, ABC, 1, now=11.0, held="gone") in "abc"


@pytest.mark.parametrize("status", [401, 402, 429])
def test_a_key_rests_alone(status: int) -> None:
    """Until its time is over, to the moment; of 429 only for the model, of 401 and 402 for the server."""
    ring = KeyRing()
    assert ring.refused(ABC, "s/m", A, status, 100.0, 7.5) == 7.5
    assert labels(ring, ABC, 4, now=100.0) == "bcbc"
    assert set(labels(ring, ABC, 3, now=107.49)) == {"b", "c"}
    assert "a" in labels(ring, ABC, 3, now=107.5)
    elsewhere = {ring.choose(ABC, "s/other", 101.0).label for _ in range(3)}
    assert elsewhere == ({"a", "b", "c"} if status == 429 else {"b", "c"})


def test_how_long_it_rests_where_nothing_is_said() -> None:
    """Twice as long each time that it is refused again after a rest; from the first length on once it was taken."""
    ring, now, rests = KeyRing(), 0.0, []
    for _ in range(7):
        rests.append(ring.refused(ABC, "s/m", A, 401, now))
        now += rests[-1]
    assert rests == [REST, 2 * REST, 4 * REST, 8 * REST, 16 * REST, MOST, MOST]
    ring.accepted(ABC, "s/m", A)
    assert ring.refused(ABC, "s/m", A, 401, now) == REST


def test_answers_that_come_late_are_no_news() -> None:
    """Many requests were under way with the key: its rest is one, and the longest that was said counts."""
    ring = KeyRing()
    assert ring.refused(ABC, "s/m", A, 401, 0.0) == REST
    assert ring.refused(ABC, "s/m", A, 401, 10.0) == REST - 10.0
    assert ring.refused(ABC, "s/m", B, 429, 0.0, 60.0) == 60.0
    assert ring.refused(ABC, "s/m", B, 429, 1.0, 5.0) == 59.0
    assert ring.refused(ABC, "s/m", C, 402, 0.0, 1e9) == LONGEST
    assert ring.refused(server(A), "s/m", A, 429, 0.0, 0.0) == 0.0


def test_all_rest() -> None:
    """The server rests until the first is back; who asks all the same goes with that one."""
    ring = KeyRing()
    for one, said in ((A, 30.0), (B, 10.0), (C, 20.0)):
        assert not ring.all_rest(ABC, "s/m", 0.0)
        ring.refused(ABC, "s/m", one, 429, 0.0, said)
    assert ring.all_rest(ABC, "s/m", 9.9) and not ring.all_rest(ABC, "s/other", 9.9)
    assert labels(ring, ABC, 3, now=5.0) == "bbb"
    assert not ring.all_rest(ABC, "s/m", 10.0)


def test_those_that_were_tried_for_this_request() -> None:
    """They are not tried again, whether they rest or not, while another is left."""
    ring = KeyRing()
    assert ring.has_other(ABC, "s/m", 0.0, {"a", "b"}) and not ring.has_other(ABC, "s/m", 0.0, {"a", "b", "c"})
    assert labels(ring, ABC, 3, tried={"a", "c"}) == "bbb"
    ring.refused(ABC, "s/m", C, 401, 0.0, 9.0)
    assert not ring.has_other(ABC, "s/m", 1.0, {"a", "b"})


def test_another_value_begins_anew() -> None:
    """A key that was rotated does not rest for what its value of before has done."""
    ring = KeyRing()
    ring.refused(ABC, "s/m", A, 401, 0.0, 1000.0)
    rotated = server(key("a", value="another-value"), B, C)
    assert "a" in labels(ring, rotated, 3, now=1.0)


def test_memory_is_bounded() -> None:
    """Names of models come from clients; what rests longest is kept."""
    ring = KeyRing()
    ring.refused(ABC, "s/kept", A, 429, 0.0, 80_000.0)
    for number in range(3 * MAX_RESTS):
        ring.refused(ABC, f"s/{number}", A, 429, 0.0, 10.0)
    assert len(ring._rests) <= MAX_RESTS
    assert ring.choose(ABC, "s/kept", 1.0).label != "a" != ring.choose(ABC, "s/kept", 1.0).label


def test_a_reset_ends_the_rests_of_a_servers_keys() -> None:
    """At the whole server and at its models; another server's keys go on resting."""
    ring, other = KeyRing(), server(A, B, name="st")
    for one, target in ((ABC, "s/m"), (other, "st/m")):
        ring.refused(one, target, A, 401, 0.0, 1000.0)
        ring.refused(one, target, B, 429, 0.0, 1000.0)
    assert ring.reset("s") == 2
    assert labels(ring, ABC, 3, now=1.0) == "abc"
    assert ring.all_rest(other, "st/m", 1.0)
