"""What a back-test needs of this machine: the proxy's local time, the task types, and whether there are plug-ins."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from importlib import metadata

from switchman.addons.config.configuration import load_ruleset, load_task_rules, ruleset_of
from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.replaying.backtest import EXAMPLES, Backtest
from switchman.addons.core.decision.replaying.recorded import MOST_UNPACKED
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.store.reading.recordings import Recordings

PLUGINS = "switchman.layers"  # as in hooks/routing/plugins.py


def local_time(at: float) -> LocalTime:
    """The time of day at a moment (epoch seconds), as the proxy would have read it."""
    then = time.localtime(at)
    return LocalTime(then.tm_hour * 60 + then.tm_min, then.tm_wday)


@cache
def task_rules() -> TaskRules:
    return load_task_rules()


def start_backtest(
    rules: Ruleset,
    against: Ruleset | None,
    base: Ruleset,
    examples: int = EXAMPLES,
    most_body: int = MOST_UNPACKED,
) -> Backtest:
    """As core.decision.replaying.backtest.Backtest says."""
    plugins = bool(metadata.entry_points(group=PLUGINS))
    return Backtest(
        rules, against, base, task_rules(), local_time, has_plugins=plugins, examples=examples, most_body=most_body
    )


class Backtests:
    """Starts back-tests for whoever has a log open. `current`: the rules in force."""

    def __init__(self, settings: Settings, current: Callable[[], Ruleset], recordings: Recordings) -> None:
        self._settings, self._current = settings, current
        self.recordings = recordings

    def start(self, text: str | None, *, against_log: bool, most_body: int) -> Backtest:
        """Of the rules in a text; None: of the file as it is saved. `against_log`: against what really happened, else
        the rules in force. Raises RulesError, and SettingsError.
        """
        base = self._current()
        rules = ruleset_of(self._settings, text) if text is not None else load_ruleset(self._settings)
        return start_backtest(rules, None if against_log else base, base, most_body=most_body)
