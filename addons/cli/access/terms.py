"""What a token is for, as options of `switchman token create` and `update`.

`update` changes what it is given, and leaves all else. `none` takes a limit away (`any`, `never` and `none` are one).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from switchman.addons.config.settings import parse_size
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.written import check_name, parse_budget, parse_duration, parse_globs, parse_names

NOTHING = ("none", "any", "never")
CAPTURES = ("full", "redacted", "metadata")


def add_terms(parser: argparse.ArgumentParser) -> None:
    """The options of a new token."""
    parser.add_argument("--name", required=True, help="what it is called in lists, rules and the log")
    _add(parser, lambda reader: reader, CAPTURES)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """The options of a change."""
    parser.add_argument("--name", help="another name")
    _add(parser, _or_nothing, (*CAPTURES, "none"), ". `none` takes it away")


def _add(
    parser: argparse.ArgumentParser, read: Callable[[Any], Any], captures: tuple[str, ...], more: str = ""
) -> None:
    parser.add_argument("--models", metavar="GLOBS", help="models it may use, with commas between (default: any)")
    parser.add_argument("--servers", metavar="NAMES", help="servers it may use, with commas between (default: any)")
    parser.add_argument("--groups", metavar="NAMES", help="groups it is in, for rules (match: {group: ...})")
    parser.add_argument("--rpm", type=read(_count), metavar="N", help=f"most requests a minute{more}")
    parser.add_argument("--tpm", type=read(_count), metavar="N", help=f"most tokens of models a minute{more}")
    parser.add_argument("--concurrent", type=read(_count), metavar="N", help=f"most requests at a time{more}")
    parser.add_argument("--max-body", metavar="SIZE", help=f"largest body of a request: 2MB{more}")
    parser.add_argument(
        *("--budget",), action="append", default=[], metavar="B",
        help=f"20/month ($), 500000tokens/day; repeatable{more}",
    )  # fmt: skip
    parser.add_argument("--downgrade", metavar="MODEL", help="answers when a budget is used up (default: a 429)")
    parser.add_argument("--capture", choices=captures, help="what the log keeps of its requests")
    parser.add_argument("--expires", metavar="TIME", help="how long it holds: 90d, 12h (default: until it is revoked)")


def terms_of(args: argparse.Namespace, now: float) -> Terms:
    """The terms of a new token. Raises ValueError, with a sentence."""
    downgrade = args.downgrade
    if downgrade is not None and not args.budget:
        raise ValueError("--downgrade names the model that answers when a budget is used up: give a --budget, too")
    return Terms(
        name=check_name(args.name),
        groups=parse_names(args.groups) if args.groups else frozenset(),
        models=parse_globs(args.models) if args.models is not None else (),
        servers=parse_globs(args.servers) if args.servers is not None else (),
        allowance=Allowance(
            requests_per_minute=args.rpm,
            tokens_per_minute=args.tpm,
            concurrent=args.concurrent,
            body_bytes=parse_size(args.max_body) if args.max_body is not None else None,
            budgets=tuple(parse_budget(text, downgrade) for text in args.budget),
        ),
        capture=args.capture,
        expires_at=now + parse_duration(args.expires) if args.expires is not None else None,
    )


def changed_terms(terms: Terms, args: argparse.Namespace, now: float) -> Terms:
    """The terms, with what was given in place of what was there. Raises ValueError, with a sentence."""
    given = {
        "name": _given(args.name, check_name),
        "groups": _given(args.groups, parse_names, frozenset()),
        "models": _given(args.models, parse_globs, ()),
        "servers": _given(args.servers, parse_globs, ()),
        "capture": _given(args.capture, str, None),
        "expires_at": _given(args.expires, lambda text: now + parse_duration(text), None),
    }
    limits = {
        "requests_per_minute": _given(args.rpm, int, None),
        "tokens_per_minute": _given(args.tpm, int, None),
        "concurrent": _given(args.concurrent, int, None),
        "body_bytes": _given(args.max_body, parse_size, None),
        "budgets": _budgets(terms.allowance.budgets, args.budget, args.downgrade),
    }
    given, limits = ({name: value for name, value in one.items() if value is not _KEPT} for one in (given, limits))
    if not given and not limits:
        raise ValueError("say what is to be changed: --rpm 60, --budget 20/month, --models 'gpt-*', --expires 90d, ...")
    changes: dict[str, Any] = {**given, "allowance": replace(terms.allowance, **limits)}
    return replace(terms, **changes)


_KEPT = object()  # what was not given


def _given(value: Any, read: Callable[[Any], Any], *nothing: Any) -> Any:
    """What an option says; `nothing`: what `none` comes to, where it may be said."""
    if value is None:
        return _KEPT
    if nothing and value in NOTHING:
        return nothing[0]
    return read(value)


def _budgets(before: tuple[Budget, ...], texts: list[str], downgrade: str | None) -> Any:
    """New ones take the place of all; what answers once they are used up stays, unless that is given too."""
    if not texts and downgrade is None:
        return _KEPT
    if any(text in NOTHING for text in texts):
        if len(texts) > 1 or downgrade is not None:
            raise ValueError("--budget none takes all budgets away: it stands alone")
        return ()
    if not texts and not before:
        raise ValueError("--downgrade names the model that answers when a budget is used up: give a --budget, too")
    model = None if downgrade in NOTHING else downgrade
    if not texts:
        return tuple(replace(one, downgrade=model) for one in before)
    if downgrade is None:
        kept = {one.downgrade for one in before}
        if len(kept) > 1:
            raise ValueError("its budgets have different models for when they are used up: give --downgrade, too")
        model = next(iter(kept), None)
    return tuple(parse_budget(text, model) for text in texts)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:20]) < 2**50:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text[:40]!r}")
    return int(text)


def _or_nothing(read: Callable[[str], int]) -> Callable[[str], int | str]:
    def reader(text: str) -> int | str:
        return text if text in NOTHING else read(text)

    return reader
