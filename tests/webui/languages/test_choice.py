"""Which language a browser is answered in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from switchman.webui.languages.choice import choice_of

ACCEPTED = [
    ((), "en"),
    (("de-DE", "fr"), "en"),
    (("zh-CN", "zh", "en"), "zh_Hans"),
    (("zh",), "zh_Hans"),
    (("zh-Hans-HK",), "zh_Hans"),
    (("zh-TW", "en-US"), "en"),
    (("zh-Hant", "zh-CN"), "zh_Hans"),
    (("en-GB", "zh-CN"), "en"),
    (("ja", "ZH_cn"), "zh_Hans"),
]


@pytest.mark.parametrize(("accepted", "language"), ACCEPTED, ids=str)
def test_the_browser_says_it(accepted: tuple[str, ...], language: str) -> None:
    assert choice_of("", accepted) == language


def test_what_was_chosen_on_a_page_comes_first() -> None:
    """A language that there is not is none."""
    assert choice_of("en", ["zh-CN"]) == "en"
    assert choice_of("zh_Hans", ["en"]) == "zh_Hans"
    assert choice_of("../x", ["zh-CN"]) == "zh_Hans"


def test_the_page_says_its_language(client_of: Callable[..., FlaskClient]) -> None:
    client = client_of()
    assert '<html lang="en"' in client.get("/performance").text
    assert '<html lang="zh-Hans"' in client.get("/performance", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).text
