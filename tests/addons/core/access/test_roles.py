"""Roles, and who has which."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.roles import Role, RoleMap, claimed, highest, parse_role


def test_each_role_may_more_than_the_one_before() -> None:
    """Checks compare them."""
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert [parse_role(word) for word in ("viewer", " Operator", "ADMIN")] == list(Role)


@pytest.mark.parametrize("text", ["", "root", "admin,viewer", "4"])
def test_another_word_is_no_role(text: str) -> None:
    """The error lists those there are."""
    with pytest.raises(ValueError, match="expected viewer, operator, admin"):
        parse_role(text)


def test_the_highest_role_of_a_providers_list_counts() -> None:
    """Words of other programs, in other capitals, and things that are no words say nothing."""
    assert highest(["offline_access", "viewer", "operator"]) is Role.OPERATOR
    assert highest(["Admin", "administrator", 3, None, ["admin"], {"admin": 1}]) is None


@pytest.mark.parametrize(
    ("claims", "path", "found"),
    [
        ({"role": "admin"}, "role", ("admin",)),
        ({"realm_access": {"roles": ["a", "viewer"]}}, "realm_access.roles", ("a", "viewer")),
        ({"https://example.com/roles": ["viewer"]}, "https://example.com/roles", ("viewer",)),
        ({"a": {"b": "x"}, "a.b": "y"}, "a.b", ("y",)),
        ({"realm_access": "admin"}, "realm_access.roles", ()),
        ({"realm_access": [{"roles": "admin"}]}, "realm_access.roles", ()),
        ({}, "role", ()),
        ({"role": None}, "role", ()),
        ({"role": {"admin": True}}, "role", ({"admin": True},)),
    ],
)
def test_a_claim_is_found_by_name_or_path(claims, path: str, found) -> None:
    """Whatever a provider puts there, nothing raises."""
    assert claimed(claims, path) == found


def test_a_name_has_its_role_in_any_capitals() -> None:
    """Else another spelling would have the role of everybody."""
    roles = RoleMap.parse("alice=viewer, Bob@Example.com=admin, a=b=operator, *=operator")
    names = ["ALICE", "bob@example.com", "a=b", "carol", "", "*"]
    viewer, operator, admin = Role
    assert [roles.of(name) for name in names] == [viewer, admin, operator, operator, operator, operator]


def test_who_is_not_named_has_no_role() -> None:
    """Unless there is one for everybody."""
    assert RoleMap.parse("alice=admin").of("bob") is None
    assert not RoleMap.parse("") and RoleMap.parse("*=viewer")
    assert str(RoleMap.parse("Alice = admin, *=viewer")) == "alice=admin,*=viewer" and str(RoleMap()) == ""


@pytest.mark.parametrize("text", ["alice", "=admin", "alice=", "alice=root", "a=admin,A=viewer", "*=admin,*=viewer"])
def test_a_map_that_says_nothing_or_two_things_is_refused(text: str) -> None:
    """It stops the start."""
    with pytest.raises(ValueError):
        RoleMap.parse(text)
