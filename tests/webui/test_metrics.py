"""/metrics, and who may read it."""

from __future__ import annotations

from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def exposed(accept: str) -> tuple[bytes, str]:
    return f"switchman_workers 2\n# {accept}\n".encode(), TEXT


def test_it_is_what_the_workers_counted_in_the_form_that_was_asked_for(client_of) -> None:
    """With its content type, and not to be kept."""
    answer = client_of(metrics=exposed).get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.status_code == 200 and answer.headers["Content-Type"] == TEXT
    assert answer.text == "switchman_workers 2\n# application/openmetrics-text\n"
    assert answer.headers["Cache-Control"] == "no-store"


def test_where_nothing_is_counted_it_says_so(client_of) -> None:
    """METRICS=off is no empty page."""
    answer = client_of().get("/metrics")
    assert answer.status_code == 404 and "METRICS is off" in answer.json["error"]


def test_a_scraper_comes_with_a_bearer_of_any_role(client_of) -> None:
    """It has no cookie; a viewer's is enough. Nobody else reads it then, nor is told whether it is off."""
    client, off = client_of(metrics=exposed, **LOCKED), client_of(**LOCKED)
    for role in Role:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {make_token(SECRET, 1, role=role)}"})
        assert answer.status_code == 200 and answer.text.startswith("switchman_workers 2")
    foreign = make_token("another secret, of 32 bytes and longer", 1)
    for bearer in ("", "nonsense", foreign, "sk-sw-" + "a" * 43):  # the last is a caller's API token
        for one in (client, off):
            answer = one.get("/metrics", headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
            assert answer.status_code == 401 and "switchman_workers" not in answer.text
            assert "METRICS" not in answer.text


def test_a_page_that_points_its_own_name_at_us_reads_nothing(client_of) -> None:
    """DNS rebinding; a scraper that asks by a name needs it in WEBUI_HOSTS, or a token."""
    assert client_of(metrics=exposed).get("/metrics", headers={"Host": "evil.example"}).status_code == 421
    named = client_of(metrics=exposed, hosts=("router",))
    assert named.get("/metrics", headers={"Host": "router:1235"}).status_code == 200
