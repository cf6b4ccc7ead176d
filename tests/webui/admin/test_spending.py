"""Budgets on the pages and by the API: how much is used, and a banner where little is left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC

import pytest

from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.account import Account, Held, Purse
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.core.access.limits.written import Limits
from switchman.addons.core.access.roles import RoleMap
from switchman.addons.store.opening import Store
from switchman.webui.config import UsageNotKnown

EVIL = "<img src=x onerror=alert(1)>"
MONTH = Budget(20_000_000, "usd", "month")
BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}


def label() -> str:
    return Calendar(UTC).span("month", time.time()).label


def told(account: str, **more: object) -> Told:
    kept = Told(
        "1", time.time(), account, "the token ci", 100, 20_000_000, MONTH.amount, MONTH.unit, MONTH.period, label()
    )
    return replace(kept, **more)  # type: ignore[arg-type]


@pytest.fixture
def token_id(store: Store) -> str:
    terms = Terms("ci", allowance=Allowance(60, 1000, 4, None, (MONTH,)))
    return store.access.tokens.create(terms, time.time())[0].caller.id


def accounts_of(token_id: str):
    def accounts(names: Sequence[str]) -> Mapping[str, Account]:
        account = Account(held={"worker": Held(3, {f"usd/month/{label()}": 250_000})})
        account.purses[f"usd/month/{label()}"] = Purse(16_500_000)
        account.requests.add(account.requests.advance(time.time()), 12)
        return {name: account for name in names if name == f"token:{token_id}"}

    return accounts


def test_pages_tell_limits_with_what_is_used_of_them(client_of, store: Store, token_id: str) -> None:
    """On the list the budgets, on a token's own page its limits, too; a token without any has none."""
    store.access.tokens.create(Terms("free"), time.time())
    client = client_of(accounts=accounts_of(token_id))
    listed, one = (client.get(path, headers=BROWSER).text for path in ("/tokens", f"/tokens/{token_id}"))
    sentence = f"$16.50 of $20/month in {label()}, $0.25 reserved"
    assert sentence in listed and sentence in one and f'class="is-soon" title="{sentence}, 82 %"' in listed
    for text in ("12 of 60", "0 of 1,000", "3 of 4"):
        assert text in one
    assert "Used of" not in client.get("/tokens/free", headers=BROWSER).text


def test_the_api_tells_the_same_in_dollars(client_of, token_id: str) -> None:
    """What is not limited is null."""
    client = client_of(accounts=accounts_of(token_id))
    found = client.get(f"/api/admin/tokens/{token_id}/usage").json
    assert (found["name"], found["requests"], found["tokens"], found["running"]) == ("ci", 12, 0, 3)
    budget = found["budgets"][0]
    assert (budget["used"], budget["reserved"], budget["amount"], budget["percent"]) == (16.5, 0.25, 20.0, 82)
    assert (budget["unit"], budget["period"], budget["begins"]) == ("usd", "month", label())
    client.patch(f"/api/admin/tokens/{token_id}", json={"requests_per_minute": None, "budgets": []})
    found = client.get(f"/api/admin/tokens/{token_id}/usage").json
    assert (found["requests"], found["running"], found["budgets"]) == (None, 3, [])
    assert client.get("/api/admin/tokens/nobody/usage").status_code == 404


def test_what_cannot_be_read_is_said(client_of, token_id: str) -> None:
    """The pages are there all the same."""

    def away(names: Sequence[str]) -> Mapping[str, Account]:
        raise UsageNotKnown(f"the counter is away {EVIL}")

    client = client_of(accounts=away)
    for path in ("/tokens", f"/tokens/{token_id}"):
        answer = client.get(path, headers=BROWSER)
        assert answer.status_code == 200 and "the counter is away" in answer.text and EVIL not in answer.text
    answer = client.get(f"/api/admin/tokens/{token_id}/usage")
    assert answer.status_code == 503 and "the counter is away" in answer.json["error"]


def test_a_budget_that_is_used_up_is_on_every_page(client_of, store: Store, token_id: str) -> None:
    """The most used up first, as text; half used up is no reason for a banner, but told by the API."""
    store.access.alerts.keep(told(f"token:{token_id}", id="1", percent=80))
    store.access.alerts.keep(told("group:agents", id="2", name=f"the group {EVIL}"))
    store.access.alerts.keep(told("all", id="3", name="all callers together", percent=50))
    limits = Limits(total=Allowance(budgets=(MONTH,)), groups={"agents": Allowance(budgets=(MONTH,))})
    client = client_of(limits=lambda: limits)
    for path in ("/requests", "/performance", "/tokens"):
        text = client.get(path, headers=BROWSER).text
        assert "Budget used up" in text and EVIL not in text and "all callers together" not in text
        assert text.index("is used up:") < text.index("The budget of the token ci, $20 per month, is used up to 80 %")
    alerts = client.get("/api/admin/alerts").json["alerts"]
    assert {(one["account"], one["percent"], one["amount"]) for one in alerts} == {
        (f"token:{token_id}", 80, 20.0), ("group:agents", 100, 20.0), ("all", 50, 20.0),
    }  # fmt: skip


def test_an_alert_that_means_nothing_any_more_is_not_told(client_of, store: Store, token_id: str) -> None:
    """Of a token that was revoked, a budget that was raised, a group that has none, or a month that is over."""
    store.access.alerts.keep(told(f"token:{token_id}", id="1"))
    store.access.alerts.keep(told("group:agents", id="2"))
    store.access.alerts.keep(told(f"token:{token_id}", id="3", begins="2001-01"))
    assert [one["account"] for one in client_of().get("/api/admin/alerts").json["alerts"]] == [f"token:{token_id}"]
    client_of().patch(f"/api/admin/tokens/{token_id}", json={"budgets": [{"amount": 40}]})
    assert client_of().get("/api/admin/alerts").json == {"alerts": []}
    assert "Budget" not in client_of().get("/requests", headers=BROWSER).text
    client_of().patch(f"/api/admin/tokens/{token_id}", json={"budgets": [{"amount": 20}]})
    assert "Budget used up" in client_of().get("/requests", headers=BROWSER).text
    store.access.tokens.revoke(token_id, time.time())
    assert "Budget" not in client_of().get("/requests", headers=BROWSER).text


def test_viewers_are_not_told(client_of, store: Store, token_id: str) -> None:
    """Whose budget is used up is for operators and admins."""
    store.access.alerts.keep(told(f"token:{token_id}"))
    client = client_of(
        auth_header="x-user", auth_roles=RoleMap.parse("vi=viewer,op=operator"), trusted_proxies=["127.0.0.1"],
        webui_security="ALWAYS_AUTH",
    )  # fmt: skip
    texts = [client.get("/requests", headers={**BROWSER, "X-User": name}).text for name in ("vi", "op")]
    assert ["Budget used up" in text for text in texts] == [False, True]
    assert client.get("/api/admin/alerts", headers={"X-User": "op"}).status_code == 403
