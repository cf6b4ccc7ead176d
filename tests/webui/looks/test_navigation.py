"""The navigation: who is shown which pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.webui.access.roles import least_of
from switchman.webui.looks.navigation import NAVIGATION, entries_for


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.word)
def test_nobody_is_shown_a_page_that_is_not_for_them(role: Role) -> None:
    assert {entry.page for entry in entries_for(role)} == {entry.page for entry in NAVIGATION if entry.least <= role}


def test_who_has_not_signed_in_sees_what_viewers_see() -> None:
    assert entries_for(None) == entries_for(Role.VIEWER)


def test_an_entry_is_for_the_role_that_its_page_is_for(client_of: Callable[..., FlaskClient]) -> None:
    app = client_of().application
    assert {entry.page: least_of(app, entry.endpoint) for entry in NAVIGATION} == {
        entry.page: entry.least for entry in NAVIGATION
    }
