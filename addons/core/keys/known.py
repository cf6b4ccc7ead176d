"""KnownKeys: find the keys of the configuration in text and bytes, and write something else in their place.

The search is for speed: the first four characters of all keys are few (`sk-p`, `gsk_`), and a look for each of them by
`in` costs less than a regular expression. Only where one is found is the expression asked, which has all keys in one
tree, so that the number of keys does not matter to it.

In bytes, which may be a body whose length is known already, a key becomes as many asterisks. In text for people it
becomes `...` and, where it is long, its last four characters, as in core/texts/masking.py.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Final

from switchman.addons.core.keys.forms import forms, is_sought
from switchman.addons.core.texts.masking import MASK, mask_secret

HEAD: Final = 4  # characters
_MOST_HEADS: Final = 12  # beyond that the expression is quicker than as many looks

_TEXTLESS: Final = frozenset({type(None), bool, int, float})

Fields = tuple[tuple[bytes, bytes], ...]


class KnownKeys:
    """The keys among `values` that can be looked for (forms.is_sought), in all forms in which they may be written."""

    __slots__ = ("_bytes", "_text", "alphabet", "firsts", "longest", "ordered", "values")

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values = frozenset(value for value in values if is_sought(value))
        written = forms(self.values)
        self._text = _Search(written, "")
        raw = {form.encode("utf-8", "surrogatepass") for form in written}
        raw |= {form.encode("latin-1") for form in written if not form.isascii() and _is_latin(form)}
        self._bytes = _Search(raw, b"")
        self.ordered: Sequence[bytes] = sorted(raw)
        self.alphabet = frozenset(byte for form in raw for byte in form)
        self.firsts = frozenset(form[0] for form in raw)
        self.longest = max(map(len, raw), default=0)

    def __repr__(self) -> str:
        return f"<KnownKeys: {len(self.values)}>"

    def __bool__(self) -> bool:
        return bool(self.values)

    def in_bytes(self, data: bytes | bytearray) -> bool:
        """Whether a key is in there."""
        return self._bytes.finds(data)

    def find(self, data: bytes | bytearray) -> list[tuple[int, int]]:
        """Where keys are: begin and end of each."""
        if not self._bytes.may_have(data):
            return []
        return [match.span() for match in self._bytes.tree.finditer(data)]

    def is_beginning(self, data: bytes) -> bool:
        """Whether some key begins with this, and goes on."""
        place = bisect_left(self.ordered, data)
        if place < len(self.ordered) and self.ordered[place] == data:
            place += 1
        return place < len(self.ordered) and self.ordered[place].startswith(data)

    def hide(self, data: bytes) -> bytes:
        """The same number of bytes, with asterisks for each key."""
        return self._bytes.tree.sub(_asterisks, data) if self._bytes.may_have(data) else data

    def hide_text(self, text: str) -> str:
        """The text with `...` for each key."""
        return self._text.tree.sub(_shortened, text) if self._text.may_have(text) else text

    def hide_fields(self, given: Fields) -> Fields:
        """Header fields without keys in names and values. The same object where there are none."""
        if not self.values or not self.in_bytes(b"\0".join([part for field in given for part in field])):
            return given
        return tuple((self.hide(name), self.hide(value)) for name, value in given)

    def hide_in[T](self, value: T) -> T:
        """A value without keys in any text or bytes in it. The same object where there are none."""
        texts: list[str] = []
        chunks: list[bytes] = []
        if self.values:
            _gather(value, texts, chunks)
        if self._text.finds("\0".join(texts)) or any(map(self.in_bytes, chunks)):
            rebuilt: T = _rebuilt(value, self)
            return rebuilt
        return value


class _Search:
    """One search, for text or for bytes."""

    __slots__ = ("_heads", "tree")

    def __init__(self, wanted: Iterable[Any], empty: Any) -> None:
        found = sorted(set(wanted))
        heads = tuple({form[:HEAD] for form in found})
        self._heads = heads if len(heads) <= _MOST_HEADS else None
        joined = _tree(found, empty) if found else (r"(?!)" if empty == "" else rb"(?!)")
        self.tree: re.Pattern[Any] = re.compile(joined)

    def may_have(self, data: Any) -> bool:
        """False where there is none for certain."""
        if self._heads is None:
            return True
        for head in self._heads:  # noqa: SIM110 - a generator costs more than the looks
            if head in data:
                return True
        return False

    def finds(self, data: Any) -> bool:
        return self.may_have(data) and self.tree.search(data) is not None


def _tree(wanted: Sequence[Any], empty: Any) -> Any:
    """An expression for any of these, sorted, the longest first, that looks at each character once."""
    signs: Any = ("(?:", "|", ")", "?") if empty == "" else (b"(?:", b"|", b")", b"?")
    opening, bar, closing, maybe = signs
    prefix = wanted[0][: _shared(wanted[0], wanted[-1])]
    rest = [one[len(prefix) :] for one in wanted]
    ends_here = not rest[0]
    groups: dict[Any, list[Any]] = {}
    for one in rest:
        if one:
            groups.setdefault(one[:1], []).append(one)
    branches = [_tree(group, empty) for group in groups.values()]
    if not branches:
        return re.escape(prefix)
    inner = opening + bar.join(branches) + closing
    return re.escape(prefix) + inner + (maybe if ends_here else empty)


def _shared(one: Any, other: Any) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _asterisks(match: re.Match[bytes]) -> bytes:
    return b"*" * len(match[0])


def _shortened(match: re.Match[str]) -> str:
    masked = mask_secret(match[0])
    return masked if masked[len(MASK) :].replace("-", "").replace("_", "").isalnum() else MASK


def _is_latin(text: str) -> bool:
    return all(ord(character) < 256 for character in text)


def _gather(value: Any, texts: list[str], chunks: list[bytes]) -> None:
    """All text and all bytes in a value. Each record comes here, so what is usual is looked for first."""
    if value.__class__ in _TEXTLESS:
        return
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, bytes):
        chunks.append(value)
    elif isinstance(value, list | tuple):
        for item in value:
            if item.__class__ is str:
                texts.append(item)
            else:
                _gather(item, texts, chunks)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _gather(key, texts, chunks)
            _gather(item, texts, chunks)
    elif is_dataclass(value):
        for name in _names_of(value.__class__):
            _gather(getattr(value, name), texts, chunks)


@lru_cache(maxsize=64)
def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _rebuilt(value: Any, keys: KnownKeys) -> Any:
    if isinstance(value, str):
        return keys.hide_text(value)
    if isinstance(value, bytes):
        return keys.hide(value)
    if isinstance(value, Mapping):
        return {_rebuilt(key, keys): _rebuilt(item, keys) for key, item in value.items()}
    if isinstance(value, list | tuple):
        made: Callable[[list[Any]], Any] = list if isinstance(value, list) else tuple
        return made([_rebuilt(item, keys) for item in value])
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _rebuilt(getattr(value, field.name), keys) for field in fields(value)})
    return value


NO_KEYS: Final = KnownKeys()
