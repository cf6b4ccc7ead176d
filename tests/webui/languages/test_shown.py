"""What pure rooms name and format, in the language of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from flask import render_template_string
from flask.testing import FlaskClient
from flask_babel import gettext

from switchman.webui.languages.shown import choices, look_of, translated
from switchman.webui.looks import formats


@pytest.fixture
def chinese(client_of: Callable[..., FlaskClient]) -> Iterator[None]:
    app = client_of().application
    with app.test_request_context(headers={"Accept-Language": "zh-CN"}):
        yield


def test_what_is_marked_is_translated(chinese: None) -> None:
    """A percent sign is one; nothing stays nothing, where gettext has the head of the catalog."""
    assert translated("last hour") == "过去 1 小时" and translated("") == ""
    assert translated("Duration, 95 %%") == "耗时，95 %"
    assert choices([("yes", "streamed")]) == [("yes", "流式")]


def test_outside_of_a_page_it_is_english() -> None:
    assert translated("last hour") == "last hour" and look_of("ok").word == "ok"


def test_an_unknown_outcome_is_shown_by_its_own_name(chinese: None) -> None:
    """Whatever it is: it was not marked."""
    assert look_of("ok").word == "正常" and look_of("ok").meaning == "完整的回答"
    assert look_of("<b>%(x)s").word == "<b>%(x)s"


SHOWN = [
    ("{{ 65000 | duration }}", "1 分 5 秒"),
    ("{{ 3600000 | duration }}", "1 小时"),
    ("{{ 3720000 | duration }}", "1 小时 2 分"),
    ("{{ 120000 | duration }}", "2 分"),
    ("{{ 12 | duration }} {{ 1300 | duration }}", "12 ms 1.3 s"),
    ("{{ none | duration }}", '<span class="unknown" title="未知">–</span>'),
    ("{{ none | count }}", '<span class="unknown" title="未知">–</span>'),
    ("{{ unknown }}", '<span class="unknown" title="未知">–</span>'),
    ("{{ 12400 | count }} {{ 4200 | money }} {{ 0.12 | share }} {{ 1200 | size }}", "12.4k $0.0042 12 % 1.2 kB"),
]


@pytest.mark.parametrize(("source", "text"), SHOWN)
def test_formats(chinese: None, source: str, text: str) -> None:
    """Words are Chinese; numbers and the symbols of units keep their form."""
    assert render_template_string(source) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "刚刚"), (9, "9 秒前"), (70, "1 分钟前"), (7200, "2 小时前"), (2e5, "2 天前")]
)
def test_how_long_ago(chinese: None, seconds: float, text: str) -> None:
    assert formats.ago(1e9 - seconds, 1e9, gettext) == text


def test_the_tags_of_a_row(chinese: None) -> None:
    """A verdict that is none of ours is shown as it is."""
    row = SimpleNamespace(attempt_count=3, cache="shadow", saved_ms=1300.0, feedback="good", again_of="x")
    source = "{% for tag in row | row_tags %}{{ tag.word }}|{{ tag.short }}|{{ tag.meaning }}\n{% endfor %}"
    lines = render_template_string(source, row=row).splitlines()
    assert [line.split("|")[:2] for line in lines] == [
        ["3 次尝试", "3×"], ["影子", "影子"], ["节省 1.3 s", ""], ["好", "好"], ["重新发送", "重发"],
    ]  # fmt: skip
    row.feedback = "<b>"
    assert "&lt;b&gt;" in render_template_string(source, row=row)
