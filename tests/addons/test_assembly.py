"""The list of addons, which is the documentation."""

from __future__ import annotations

import re

import switchman.addons
from switchman.addons.assembly import assemble

ROW = re.compile(r"^\| (\w*) +\| (\w+) +\|", re.MULTILINE)


def test_the_table_of_hooks_is_what_the_addons_have() -> None:
    """Hook by hook, every addon that has it, in the order in which it is asked; only clearing up is not listed."""
    told: dict[str, list[str]] = {}
    for hook, addon in ROW.findall(switchman.addons.__doc__ or ""):
        if addon != "addon":
            hooks = list(told)
            told.setdefault(hook or hooks[-1], []).append(addon)
    there = {hook: [type(one).__name__ for one in assemble() if hasattr(one, hook)] for hook in told}
    assert told == there
    assert {"requestheaders", "request", "responseheaders", "response", "error"} <= set(told)
