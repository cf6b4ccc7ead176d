"""A language that is chosen in the foot of a page."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from switchman.webui.languages.choice import COOKIE

BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
ENGLISH = BROWSER | {"Accept-Language": "en-GB,en"}
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": "a test's secret, 32 bytes and longer"}


def test_a_choice_holds_on_every_page_until_another_one(client_of) -> None:
    """Against the browser's own language; it leads back to the page with its filters, and shows the other language."""
    client: FlaskClient = client_of()
    page = client.get("/requests?outcome=failed", headers=ENGLISH).text
    assert '<html lang="en"' in page and 'value="zh_Hans" lang="zh-Hans"' in page and 'value="en"' not in page
    assert 'name="next" value="/requests?outcome=failed"' in page
    sent = {"language": "zh_Hans", "next": "/requests?outcome=failed"}
    answer = client.post("/language", data=sent, headers=ENGLISH)
    assert (answer.status_code, answer.location) == (303, "/requests?outcome=failed")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=zh_Hans;") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    page = client.get("/requests", headers=ENGLISH).text
    assert '<html lang="zh-Hans"' in page and "规则" in page and 'value="en" lang="en"' in page
    client.post("/language", data={"language": "en"}, headers=ENGLISH)
    assert '<html lang="en"' in client.get("/rules", headers=ENGLISH).text


def test_who_has_not_signed_in_chooses_too(client_of) -> None:
    """The page that asks for a token has the form."""
    client: FlaskClient = client_of(**LOCKED)
    assert 'action="/language"' in client.get("/rules", headers=ENGLISH).text
    assert client.post("/language", data={"language": "zh_Hans"}, headers=ENGLISH).status_code == 303
    assert '<html lang="zh-Hans"' in client.get("/rules", headers=ENGLISH).text


@pytest.mark.parametrize("wanted", ["", "fr", "../zh_Hans", "zh_Hans\r\nX: y"])
def test_what_is_no_language_changes_nothing(client_of, wanted: str) -> None:
    answer = client_of().post("/language", data={"language": wanted, "next": "//evil.example"}, headers=ENGLISH)
    assert (answer.status_code, answer.location) == (303, "/requests")
    assert "Set-Cookie" not in answer.headers


def test_another_site_chooses_nothing(client_of) -> None:
    answer = client_of().post(
        "/language", data={"language": "zh_Hans"}, headers={**BROWSER, "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403 and "Set-Cookie" not in answer.headers
