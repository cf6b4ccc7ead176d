"""Words that are translated where they are shown."""

from __future__ import annotations

from switchman.webui.looks.marked import N_


def test_it_is_what_it_marks() -> None:
    assert N_("Requests") == "Requests"
