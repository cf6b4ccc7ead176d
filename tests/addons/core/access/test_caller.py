"""Callers as values."""

from __future__ import annotations

import dataclasses

import pytest

from switchman.addons.core.access.caller import Allowance, Caller


def test_a_token_without_limits_may_as_much_as_anybody() -> None:
    """Nothing is limited but what was asked for."""
    caller = Caller("0123456789ab", "ci")
    assert (caller.models, caller.servers, caller.allowance) == ((), (), Allowance())
    assert all(not value for value in dataclasses.astuple(caller.allowance))


def test_a_caller_does_not_change() -> None:
    """It is shared by all requests of its token."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Caller("0123456789ab", "ci").name = "other"  # type: ignore[misc]
