"""Which tokens came with a request, and whom they stand for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from switchman.addons.core.access import apitoken
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.presented import Known, Refused, check, presented

ONE, TWO = apitoken.make(bytes(32)), apitoken.make(bytes(31) + b"\1")
ANNA = Caller("0123456789ab", "anna")
NOW = 1_800_000_000.0


def fields(*given: tuple[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.encode(), value.encode("latin-1")) for name, value in given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {ONE}"),
        ("authorization", f"bearer   {ONE}"),
        ("authorization", ONE),
        ("AUTHORIZATION", f'Token token="{ONE}"'),
        ("x-api-key", ONE),
        ("Api-Key", ONE),
        ("X-Goog-Api-Key", ONE),
        ("sec-websocket-protocol", f"realtime, openai-insecure-api-key.{ONE}, openai-beta.realtime-v1"),
        ("Sec-WebSocket-Protocol", f"openai-insecure-api-key.{ONE}"),
    ],
)
def test_a_field(name: str, value: str) -> None:
    """Each place where clients put their key, in any case."""
    assert presented(fields(("host", "h"), (name, value)), "/v1/models?a=1") == (ONE,)


@pytest.mark.parametrize("query", [f"key={ONE}", f"a=1&key={ONE}&b=2", f"k%65y={ONE.replace('-', '%2D')}"])
def test_the_query(query: str) -> None:
    """As Google's clients send it, escaped or not."""
    assert presented((), f"/v1beta/models?{query}") == (ONE,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cookie", f"a={ONE}"),
        ("x-other", ONE),
        ("authorization", "Basic dTpw"),
        ("authorization", "Bearer sk-proj-abc"),
        ("sec-websocket-protocol", f"realtime, {ONE}"),
        ("x-api-key", f"x{ONE}"),
    ],
)
def test_no_other_place(name: str, value: str) -> None:
    """What stands anywhere else opens nothing."""
    assert presented(fields((name, value)), f"/v1/models?token={ONE}#key={ONE}") == ()


def test_each_different_one_is_told() -> None:
    """The same in two places is one; beside a provider's key it is the only one."""
    same = fields(("authorization", f"Bearer {ONE}"), ("x-api-key", ONE))
    assert presented(same, f"/?key={ONE}") == (ONE,)
    assert presented(fields(("authorization", "Bearer sk-ant-1"), ("x-api-key", ONE)), "/") == (ONE,)
    assert set(presented(fields(("authorization", f"Bearer {ONE}"), ("authorization", f"Bearer {TWO}")), "/")) == {
        ONE,
        TWO,
    }
    assert set(presented(fields(("authorization", f"Bearer {ONE}, Bearer {TWO}")), "/")) == {ONE, TWO}
    assert set(presented(fields(("api-key", ONE)), f"/?key={TWO}&key=x")) == {ONE, TWO}


KNOWN = Known(apitoken.digest_of(ONE), ANNA)


def why(*tokens: str, known: Known | None = KNOWN, now: float = NOW) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        check(tokens, lambda digest: known, now)
    return refused.value.why, str(refused.value)


def test_a_good_one() -> None:
    """It stands for its caller; it is looked up by its digest."""
    asked: list[str] = []
    assert check((ONE,), lambda digest: asked.append(digest) or KNOWN, NOW) is ANNA  # type: ignore[func-returns-value]
    assert asked == [apitoken.digest_of(ONE)]
    lasting = replace(KNOWN, caller=replace(ANNA, expires_at=NOW + 1), valid_until=NOW + 1)
    assert check((ONE,), lambda digest: lasting, NOW).name == "anna"


def test_who_is_refused_is_told_why() -> None:
    """Each message says what is wrong, and none repeats the token."""
    cases = {
        "missing": why(),
        "two": why(ONE, TWO),
        "malformed": why(ONE[:-1]),
        "unknown": why(ONE, known=None),
        "revoked": why(ONE, known=replace(KNOWN, revoked_at=NOW - 1)),
        "expired": why(ONE, known=replace(KNOWN, caller=replace(ANNA, expires_at=NOW))),
        "rotated": why(ONE, known=replace(KNOWN, valid_until=NOW)),
    }
    assert {name: told[0] for name, told in cases.items()} == {name: name for name in cases}
    assert not any(ONE[6:] in message or "anna" in message for _, message in cases.values())
    assert "2027-01-15 08:00 UTC" in cases["expired"][1]
    assert "switchman token create" in cases["missing"][1] and "x-api-key" in cases["missing"][1]


def test_revoked_is_told_before_expired() -> None:
    """Whatever else has ended, a revocation is what counts."""
    ended = replace(KNOWN, revoked_at=NOW, valid_until=NOW, caller=replace(ANNA, expires_at=NOW))
    assert why(ONE, known=ended)[0] == "revoked"


def test_an_answer_for_another_digest_is_none() -> None:
    """A look-up that finds the wrong row lets nobody in."""
    assert why(TWO, known=KNOWN)[0] == "unknown"


def test_no_year_breaks_it() -> None:
    """A time that no calendar has is still a refusal."""
    assert why(ONE, known=replace(KNOWN, caller=replace(ANNA, expires_at=-1e300)))[0] == "expired"
