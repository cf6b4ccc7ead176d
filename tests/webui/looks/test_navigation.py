"""The navigation: who is shown which pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.roles import Role
from switchman.webui.access.roles import least_of
from switchman.webui.looks.navigation import GROUPS, NAVIGATION, groups_for


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.word)
def test_nobody_is_shown_a_page_that_is_not_for_them(role: Role) -> None:
    """In the order of the table, and without a heading over nothing."""
    shown = groups_for(role)
    assert [entry for group in shown for entry in group.entries] == [one for one in NAVIGATION if one.least <= role]
    assert all(group.entries for group in shown)
    assert [group.name for group in shown] == ["watch", "decide", "manage"][: 2 if role == Role.VIEWER else 3]


def test_who_has_not_signed_in_sees_what_viewers_see() -> None:
    assert groups_for(None) == groups_for(Role.VIEWER)


def test_no_page_is_there_twice() -> None:
    assert len({entry.page for entry in NAVIGATION}) == len(NAVIGATION) == sum(len(group.entries) for group in GROUPS)


def test_an_entry_is_for_the_role_that_its_page_is_for(client_of: Callable[..., FlaskClient]) -> None:
    app = client_of().application
    assert {entry.page: least_of(app, entry.endpoint) for entry in NAVIGATION} == {
        entry.page: entry.least for entry in NAVIGATION
    }
