"""`switchman backtest --rules NEW.yaml`: what other rules would have done with the requests of the log."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError
from tqdm import tqdm

from switchman.addons.cli.access.forget import when
from switchman.addons.cli.access.key import places
from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings
from switchman.addons.config.log import open_log
from switchman.addons.config.replaying import start_backtest
from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.replaying.backtest import EXAMPLES, Backtest
from switchman.addons.core.decision.replaying.criteria import FIGURES, Criterion, Judged
from switchman.addons.core.decision.replaying.criteria import parse as parse_criteria
from switchman.addons.core.decision.replaying.told import told
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.store import Store
from switchman.addons.store.reading.recordings import Recordings

RECORDED = "recorded"
LIMIT = 10_000
SINCE = "7d"

DESCRIPTION = """\
Decide the requests of the log anew, by the rules in force and by new ones, and
say what goes elsewhere, with cost and latency before and after. No server is
asked anything, and nothing is changed."""
EPILOG = """\
conditions of --fail-if, with commas between, or in several of it:
  cost > +5%       the change of a figure, in percent: also of latency,
                   refused and cache_hits
  latency > 2s     the figure with the new rules; cost in dollars ($2)
  cost > +$2       its change
  elsewhere > 10%  the share of a number of requests
figures:
{figures}
One that is not known meets every condition on it.

exit status:
  0  done
  1  a condition of --fail-if is met
  2  the call, the settings, rules or the log cannot be used"""


def run(arguments: list[str]) -> int:
    """Exit code 0; 1 where a condition is met; 2 where the call, the settings, the rules or the log cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(**places(options.data_dir))
        rules = load_ruleset(settings, options.rules)
        is_recorded = options.against == RECORDED
        base = load_ruleset(settings, None if is_recorded else options.against)
        _check_log(settings)
        backtest = start_backtest(rules, None if is_recorded else base, base, options.examples)
        names = ("what the log says" if is_recorded else base.file, rules.file)
        with open_log(settings) as store:
            return _replayed(store, backtest, options, names)
    except (SettingsError, RulesError) as error:
        return refuse("\n".join(map(str, error.problems)))
    except (DBAPIError, OSError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        return refuse(f"the log cannot be read: {why!s:.300}")
    except KeyboardInterrupt:
        return refuse("stopped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchman backtest",
        description=DESCRIPTION,
        epilog=EPILOG.format(figures="\n".join(f"  {name:<10} {what}" for name, what in FIGURES.items())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE", help="the new rules")
    parser.add_argument(
        "--against",
        metavar="FILE",
        help=f"rules to compare with (default: ROUTES_CONFIG, routes.yaml); `{RECORDED}`: what really happened",
    )
    parser.add_argument(
        "--since", type=when, default=SINCE, metavar="T", help="7d (ago), 12h, or 2026-11-30[T14:00] (default: 7d)"
    )
    parser.add_argument(
        "--limit", type=_count, default=LIMIT, metavar="N", help="the newest N requests (default: %(default)s)"
    )
    parser.add_argument(
        "--examples", type=_number, default=EXAMPLES, metavar="N", help="requests to name (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--fail-if", type=_criteria, action="extend", default=[], metavar="CONDITION", help="see below; repeatable"
    )
    parser.add_argument("--data-dir", metavar="D", type=Path, help="the folder that `serve --data-dir` has")
    return parser


def _criteria(text: str) -> list[Criterion]:
    try:
        return parse_criteria(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"expected a number, not {text[:40]!r}")
    return int(text)


def _count(text: str) -> int:
    if (found := _number(text)) == 0:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return found


def _check_log(settings: Settings) -> None:
    """To look for requests makes no database."""
    if settings.database_url is None and not Path(settings.db_path).exists():
        where = Path(settings.db_path).absolute()
        raise SettingsError([f"there is no log at {where}: --data-dir, DB_PATH or DATABASE_URL says where it is"])


def _replayed(store: Store, backtest: Backtest, options: argparse.Namespace, names: tuple[str, str]) -> int:
    recordings = Recordings(store.engine, store.blobs)
    if (span := recordings.span(options.since, options.limit)) is not None:
        rows = recordings.of(span)
        quiet = not sys.stderr.isatty()
        for one in tqdm(rows, "replayed", span.rows, leave=False, disable=quiet, unit=" requests", file=sys.stderr):
            backtest.add(one)
    report = backtest.report(recordings.median, names=names)
    judged = [criterion.judge(report) for criterion in options.fail_if]
    failed = any(one.met for one in judged)
    if options.json:
        print(dumps({**report.as_json(), "conditions": _as_json(judged), "failed": failed}, indent=2))
    else:
        if span is None:
            say("the log has no request of that time")
        print(told(report), end="")
        _show(judged)
    return 1 if failed else 0


def _as_json(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    return [{"condition": one.text, "met": one.met, "found": one.found} for one in judged]


def _show(judged: Sequence[Judged]) -> None:
    if judged:
        print("\nconditions")
    for one in judged:
        print(f"  {'FAILED' if one.met else 'passed'}  {one.text}: {one.found}")
