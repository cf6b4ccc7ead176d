"""The strictest of what is asked for wins."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.capturing import FULL, Captured, WrittenCapture, strictest
from switchman.addons.core.texts.redaction.finding import KINDS


@pytest.mark.parametrize(("wanted", "found"), [
    ([], FULL),
    ([(None, "a"), ("full", "b")], FULL),
    ([("redacted", ""), ("metadata", "token t"), ("redacted", "rule r")], Captured("metadata", "token t")),
    ([("redacted", "first"), ("redacted", "second"), ("full", "third")], Captured("redacted", "first")),
])  # fmt: skip
def test_the_strictest_wins(wanted: list[tuple[None, str]], found: Captured) -> None:
    """Whatever the order; of equal ones the first tells who asked."""
    assert strictest(wanted) == found


def test_it_says_who_asked() -> None:
    """A person reads the setting's name, and what asked for it."""
    assert (str(Captured("metadata", "token anna")), str(Captured("redacted"))) == (
        "CAPTURE=metadata by token anna", "CAPTURE=redacted",
    )  # fmt: skip


def test_kinds_of_setting_and_file_are_added() -> None:
    """Where neither names any, all are looked for."""
    assert WrittenCapture().redactor(None).kinds == KINDS
    assert WrittenCapture(kinds=frozenset({"email"})).redactor(frozenset({"card"})).kinds == {"email", "card"}
