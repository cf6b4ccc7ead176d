"""The regular expressions of our own code take time in proportion to the text, whatever the text is.

Patterns of the configuration run in RE2 (core/routes/patterns.py); these run in Python's engine, which may take the
square of the length, or worse. Each is run as its module runs it, on texts that are made from its own characters.
"""

import gc
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from re import _constants as codes
from re import _parser as parser
from typing import Any

import pytest

import switchman.addons
import switchman.webui

SHORT = 1_000  # characters; a pattern that takes the square of it needs some 5 ms
TIMES, TOO_MUCH = 6, 15  # so much longer is the other text; of a linear pattern's time it takes 6, of the others' 36
LINEAR = 0.0015  # seconds of processor time for SHORT: more than any linear pattern takes, on a slow machine too
METHODS = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn")
NOT_IMPORTED = ("pipeline", "migrations.env")  # they act when they are imported


def _module_names() -> Iterator[str]:
    for package in (switchman.addons, switchman.webui):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(NOT_IMPORTED):
                yield module.name


def _patterns_in(value: Any, depth: int = 0) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif inspect.isbuiltin(value) and isinstance(value.__self__, re.Pattern):
        yield value.__self__
    elif depth < 3 and type(value) in (tuple, list, frozenset, set, dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _patterns_in(one, depth + 1)
    elif depth < 3 and hasattr(type(value), "__dataclass_fields__"):
        for name in type(value).__dataclass_fields__:
            yield from _patterns_in(getattr(value, name, None), depth + 1)


def _methods(source: str, name: str, pattern: re.Pattern[Any]) -> set[str]:
    """How the module runs it; all ways where that does not show."""
    used = set(re.findall(rf"\b{name}(?:\[[^]]*\])?\.({'|'.join(METHODS)})\(", source))
    return used or {"search"}


def _own_characters(tree: Any) -> Iterator[int]:
    for code, argument in tree:
        if code in (codes.LITERAL, codes.NOT_LITERAL):
            yield argument
        elif code is codes.RANGE:
            yield argument[0]
        elif code is codes.BRANCH:
            for way in argument[1]:
                yield from _own_characters(way)
        elif code in (codes.IN, codes.ATOMIC_GROUP):
            yield from _own_characters(argument)
        elif code in (codes.SUBPATTERN, codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield from _own_characters(argument[-1])
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            yield from _own_characters(argument[1])


def _units(pattern: re.Pattern[Any]) -> list[str]:
    """What a text is made of: one character, two in turn, and all in turn."""
    flags = pattern.flags & ~re.UNICODE
    own = dict.fromkeys(map(chr, _own_characters(parser.parse(pattern.pattern, flags))))
    characters = list(dict.fromkeys([*list(own)[:6], "a", "1", " ", "\n"]))
    return [*characters, *(a + b for a in characters for b in characters if a != b), "".join(own) or "x"]


def _text(pattern: re.Pattern[Any], unit: str, length: int) -> Any:
    """The end is of another kind, so that all ways are tried."""
    text = unit * (length // len(unit)) + "\x00"
    return text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text


def _runs(pattern: re.Pattern[Any], method: str) -> Callable[[Any], Any]:
    if method in ("sub", "subn"):
        return lambda text: getattr(pattern, method)(text[:0], text)
    if method == "finditer":
        return lambda text: [None for _ in pattern.finditer(text)]
    return getattr(pattern, method)  # type: ignore[no-any-return]


def _took(run: Callable[[Any], Any], text: Any) -> float:
    began = time.thread_time()
    run(text)
    return time.thread_time() - began


def superlinear(pattern: re.Pattern[Any], method: str) -> str | None:
    """What a text is made of that takes TOO_MUCH where it has TIMES as many characters; None: nothing was found."""
    run = _runs(pattern, method)
    for unit in _units(pattern):
        text = _text(pattern, unit, SHORT)
        if _took(run, text) > LINEAR:
            short = min(_took(run, text) for _ in range(3))
            longer = _text(pattern, unit, TIMES * SHORT)
            if short > LINEAR / 2 and all(_took(run, longer) > TOO_MUCH * short for _ in range(2)):
                return repr(unit)
    return None


def _found() -> list[tuple[str, str, re.Pattern[Any]]]:
    """(where, method, pattern) of every pattern that a module holds, each once."""
    found: dict[tuple[Any, int, str], tuple[str, str, re.Pattern[Any]]] = {}
    for name in _module_names():
        module = importlib.import_module(name)
        source = inspect.getsource(module)
        for variable, value in vars(module).items():
            for pattern in _patterns_in(value):
                for method in _methods(source, variable, pattern):
                    found.setdefault((pattern.pattern, pattern.flags, method), (f"{name}.{variable}", method, pattern))
    return list(found.values())


def test_our_own_patterns_are_linear() -> None:
    """Every pattern of a module, constant or within a table, by the methods that the module calls."""
    found = _found()
    assert len(found) > 100
    gc.disable()
    try:
        slow = [
            f"{where}.{method}: {text} over and over"
            for where, method, pattern in found
            if (text := superlinear(pattern, method)) is not None
        ]
    finally:
        gc.enable()
    assert slow == []


@pytest.mark.parametrize("text", [r"\s*x", r"(\d+)-", "a+$"])
def test_a_pattern_that_is_not_linear_is_found(text: str) -> None:
    """Those that take the square."""
    assert superlinear(re.compile(text), "search") is not None
