"""What the pages say, as it stands in their source: in templates, in Python, and in scripts by `say("...")`.

Whole sentences, with `%(name)s` (in scripts `{name}`) where a value goes: another language may want it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel.messages.extract import extract_from_file
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.replaying.backtest import LEFT_OUT
from switchman.addons.core.decision.replaying.decided import REASONS
from switchman.addons.core.decision.replaying.told import ASSUMED

WEBUI = Path(__file__).resolve().parent.parent
# `N_` marks what is said elsewhere (looks/marked.py): words that pure modules name and templates translate.
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "N_": None,
    "ngettext": (1, 2),
}
SCRIPT_KEYWORDS: dict[str, tuple[int, ...] | None] = {"say": None}
# The same words where another language has others: pgettext(what they are said of, the words).
CONTEXT_KEYWORDS: dict[str, tuple[tuple[int, str] | int, ...] | None] = {"pgettext": ((1, "c"), 2)}
HTTP_ERRORS: tuple[type[HTTPException], ...] = (
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestEntityTooLarge,
    InternalServerError,
)  # those that a browser meets
Message = str | tuple[str, ...]  # the second is a singular and its plural


def of_pages() -> Iterator[tuple[Path, Message]]:
    """Each message of a template or a module, with its file."""
    options = {"trimmed": "true", "silent": "false"}
    for path in sorted(WEBUI.rglob("*.html")):
        for _, message, *_ in extract_from_file("jinja2", path, KEYWORDS, options=options):
            yield path, message
    for path in sorted(WEBUI.rglob("*.py")):
        if not any(f"{word}(" in path.read_text("utf-8") for word in KEYWORDS):
            continue
        for _, message, *_ in extract_from_file("python", path, KEYWORDS):
            yield path, message
    yield from of_others()


def of_others() -> Iterator[tuple[Path, str]]:
    """What pages show of others' words: each with the file that shows it. They stand in English in their own source."""
    for field in Settings.model_fields.values():
        if field.description:
            yield WEBUI / "pages/settings/settings.html", field.description.replace("%", "%%")
    for sentence in (*REASONS.values(), *LEFT_OUT, *ASSUMED):
        yield WEBUI / "pages/backtest/backtest_result.html", sentence
    for error in HTTP_ERRORS:
        yield WEBUI / "access/guard.py", error().name
        yield WEBUI / "access/guard.py", error.description or error().name


def in_context() -> Iterator[tuple[Path, str, str]]:
    """Each message that says what it is said of: its file, that, and the message."""
    options = {"trimmed": "true", "silent": "false"}
    for method, ending in (("jinja2", "*.html"), ("python", "*.py")):
        for path in sorted(WEBUI.rglob(ending)):
            if not any(word in path.read_text("utf-8") for word in CONTEXT_KEYWORDS):
                continue  # to parse a template takes a tenth of a second
            given = options if method == "jinja2" else None
            for _, message, _, context in extract_from_file(method, path, CONTEXT_KEYWORDS, options=given):
                yield path, str(context), str(message)


@cache
def of_scripts() -> tuple[tuple[Path, str], ...]:
    """Each message of a script, with its file."""
    return tuple(
        (path, str(message))
        for path in sorted((WEBUI / "static").glob("*.js"))
        for _, message, *_ in extract_from_file("javascript", path, SCRIPT_KEYWORDS)
    )
