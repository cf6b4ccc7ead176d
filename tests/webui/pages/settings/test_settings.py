"""`/settings`: what the page says, and to whom."""

from __future__ import annotations

import html

from flask.testing import FlaskClient

from switchman.addons.config.inforce import SET, InForce, Told

EVIL = "<img src=x onerror=alert(1)>"
BROWSER = {"Accept": "text/html", "Connection": "keep-alive"}
SETTINGS = (
    InForce("LISTEN_PORT", "4000", "1234", "option", "--port", "port the proxy listens on"),
    InForce("JWT_SECRET", SET, "", "environment", "", "at least 32 random characters"),
    InForce("DEFAULT_UPSTREAM", EVIL, "http://localhost:8000", "environment", "", "where a request goes"),
    InForce("UI_PORT", "1235", "1235", "default", "", "port of the dashboard"),
)


def test_what_was_set_stands_first(client_of) -> None:
    """With its value, its origin and its default; what is a default stands below the rules file."""
    client: FlaskClient = client_of(
        in_force=SETTINGS, rules_file="routes.yaml", rules_told=lambda: (Told("servers", "2 entries", 7),)
    )
    page = client.get("/settings", headers=BROWSER).text
    given, rules, defaults = (page.index(f"<h2>{title}") for title in ("Set here", "Rules file", "At their default"))
    assert given < page.index("--port") < rules < page.index("2 entries") < defaults < page.index('id="UI_PORT"')
    assert given < page.index(SET) < rules
    assert EVIL not in page and html.escape(EVIL) in page


def test_programs_get_the_same(client_of) -> None:
    answer = client_of(in_force=SETTINGS, rules_file="routes.yaml").get("/api/settings").get_json()
    assert answer["settings"][0] == SETTINGS[0]._asdict() and len(answer["settings"]) == len(SETTINGS)
    assert answer["rules_file"] == {"path": "routes.yaml", "keys": []}


def test_viewers_do_not_see_the_configuration(client_of) -> None:
    """Whoever comes from elsewhere, where nobody is asked for a token, reads what viewers read."""
    client = client_of(in_force=SETTINGS, webui_security="NONE")
    for address in ("/settings", "/api/settings"):
        answer = client.get(address, environ_base={"REMOTE_ADDR": "192.0.2.7"})
        assert answer.status_code == 403 and "4000" not in answer.text
