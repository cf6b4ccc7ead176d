"""The fields of queries and urlencoded forms that decide: each may stand there once, and written in one way.

https://url.spec.whatwg.org/#application/x-www-form-urlencoded. Servers take the first of two fields, or the last, or
both as a list; some take `model[]` for one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import unquote_plus

from switchman.addons.core.request.unambiguous.names import Ambiguous, folded

MAX_FIELDS: Final = 1000


def check_fields(text: str, names: Collection[str]) -> None:
    """Raises Ambiguous where one of the fields occurs twice, or is written otherwise, or stands behind MAX_FIELDS."""
    if not text:
        return
    seen: set[str] = set()
    for number, field in enumerate(text.split("&", MAX_FIELDS)):
        key = field.partition("=")[0]
        if number == MAX_FIELDS:
            raise Ambiguous(f"It has more than {MAX_FIELDS} fields.", min(names))
        check_field(unquote_plus(key), names, seen)


def check_field(name: str, names: Collection[str], seen: set[str]) -> None:
    """Raises Ambiguous for a field that is not the first of its name, or not written as in `names`. `seen`: those
    before it, which this adds to.
    """
    meant = folded(name[:256]).partition("[")[0]
    if meant not in names:
        return
    if name != meant:
        raise Ambiguous(f"Some servers read the field {name[:100]!r} as `{meant}`: write `{meant}`.", meant)
    if meant in seen:
        message = f"The field `{meant}` occurs twice, and servers differ in which one counts: leave one out."
        raise Ambiguous(message, meant)
    seen.add(meant)
