"""What a back-test needs of this machine: the proxy's local time, the task types, and whether there are plug-ins."""

from __future__ import annotations

import time
from functools import cache
from importlib import metadata

from switchman.addons.config.configuration import load_task_rules
from switchman.addons.core.decision.replaying.backtest import EXAMPLES, Backtest
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset

PLUGINS = "switchman.layers"  # as in hooks/routing/plugins.py


def local_time(at: float) -> LocalTime:
    """The time of day at a moment (epoch seconds), as the proxy would have read it."""
    then = time.localtime(at)
    return LocalTime(then.tm_hour * 60 + then.tm_min, then.tm_wday)


@cache
def task_rules() -> TaskRules:
    return load_task_rules()


def start_backtest(rules: Ruleset, against: Ruleset | None, base: Ruleset, examples: int = EXAMPLES) -> Backtest:
    """As core.decision.replaying.backtest.Backtest says."""
    plugins = bool(metadata.entry_points(group=PLUGINS))
    return Backtest(rules, against, base, task_rules(), local_time, has_plugins=plugins, examples=examples)
