"""Where a form leads to afterwards."""

from __future__ import annotations

import pytest

from switchman.webui.access.targets import local_target


@pytest.mark.parametrize("target", ["/rules", "/requests?outcome=failed", "/request/a%20b"])
def test_a_page_of_ours_is_led_to(client_of, target: str) -> None:
    with client_of().application.test_request_context():
        assert local_target(target) == target


@pytest.mark.parametrize(
    "target",
    ["", "rules", "https://evil.example/", "//evil.example", "/\\evil.example", "/a\r\nLocation: x", "javascript:x"],
)
def test_another_site_is_not(client_of, target: str) -> None:
    with client_of().application.test_request_context():
        assert local_target(target) == "/requests"
