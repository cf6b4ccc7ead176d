"""Masks what is logged, whoever logs it and whoever writes it: our own processes, mitmproxy's terminal, its web page.

A filter on each handler of the root logger sees every record that is written, at every level: messages with their
arguments (also where these do not fit), and tracebacks. Keys of the configuration are masked by value, others by what
they look like.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.texts.masking import mask_text


class Masking(logging.Filter):
    """`keys`: those that are known now."""

    def __init__(self, keys: Callable[[], KnownKeys]) -> None:
        super().__init__()
        self._keys = keys

    def filter(self, record: logging.LogRecord) -> bool:
        """True, always. The record has the same words, but for keys."""
        keys = self._keys()
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a boundary: an argument's own code runs here
            message = _unfit(record, error)
            record.msg, record.args = message, None
        if (masked := mask_text(keys.hide_text(message))) != message:
            record.msg, record.args = masked, None
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = mask_text(keys.hide_text(record.exc_text))
        return True


def _unfit(record: logging.LogRecord, error: Exception) -> str:
    """In the place of a message whose arguments do not fit it, which Python prints past all filters: what it was."""
    said = (_shown(error, type(error).__name__), _shown(record.msg, "a message that cannot be shown"))
    given = _shown(record.args, "arguments that cannot be shown")
    return f"Logging error in {record.pathname}:{record.lineno}: {said[0]} of {said[1]} and {given}"


def _shown(value: object, otherwise: str) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - the same boundary
        return otherwise


def mask_log(keys: Callable[[], KnownKeys]) -> Callable[[], None]:
    """Mask what the handlers write that are there now; the function that is returned ends that."""
    masking, handlers = Masking(keys), list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(masking)

    def end() -> None:
        for handler in handlers:
            handler.removeFilter(masking)

    return end
