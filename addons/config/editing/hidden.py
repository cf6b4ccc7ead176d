"""Keys that stand in a rules file itself, hidden from whoever reads it on a page, and put back when it is saved.

    hidden.hide(text)       each key becomes a word such as <hidden-key-1f2e3d4c5b6a>
    hidden.put_back(text)   each word becomes its key again; UnknownKey where it is none that was seen, and WouldShow
                            where the key would stand in a place at which it is not hidden

What is hidden: the keys of the rules in force, wherever they stand; what the text has at a server's `api_key`,
`api_keys`, `headers`, `proxy`, and in its URLs; and whatever looks like a key, in comments too. A word is made of its
key by HMAC under a key of ours, so it is the same each time, and nobody can try keys against it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final
from urllib.parse import unquote

from switchman.addons.config.editing.tree import Node, tree_of
from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.servers.reaching.references import is_reference
from switchman.addons.core.texts.masking import is_secret_header, is_secret_parameter, secret_words

WORD: Final = re.compile(r"<hidden-key-[0-9a-f]{12}>")
MOST_KEPT: Final = 2_000  # keys that are remembered: those of texts that somebody is editing
_USER_INFO: Final = re.compile(r"//[^/?#\s@<]*:([^/?#\s@<]+)@|//([^/?#\s:@<]{8,})@")
_PARAMETER: Final = re.compile(r"[?&]([^?=&#\s\"']+)=([^&#\s\"',}]+)")


class UnknownKey(ValueError):
    """A word for a key that is not known (any more). `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(
            f"line {line}: the key that is hidden here is not in the file any more: write env:NAME, file:PATH or "
            "vault:NAME in its place, or the key itself"
        )
        self.line = line


class WouldShow(UnknownKey):
    """A word that was moved to where its key would be read by everybody."""

    def __init__(self, line: int) -> None:
        ValueError.__init__(
            self, f"line {line}: a hidden key stands here where it would be shown: leave it where it was"
        )
        self.line = line


class Hidden:
    """One for a file. `secret`: 32 bytes, the same after a restart; `known`: the keys of the rules in force."""

    def __init__(self, secret: Callable[[], bytes], known: Callable[[], KnownKeys] = lambda: NO_KEYS) -> None:
        self._secret, self._known = secret, known
        self._kept: OrderedDict[str, str] = OrderedDict()  # word -> key
        self._lock = Lock()

    def hide(self, text: str) -> str:
        """The text without keys, and their words remembered."""
        for start, end in sorted(set(_places(text)), reverse=True):
            text = text[:start] + self._word(text[start:end]) + text[end:]
        known = self._known().find(text.encode("utf-8", "surrogatepass"))
        raw = text.encode("utf-8", "surrogatepass")
        found = {raw[start:end].decode("utf-8", "replace") for start, end in known} | set(secret_words(text))
        for key in sorted(found, key=len, reverse=True):
            text = text.replace(key, self._word(key))
        return text

    def put_back(self, text: str) -> str:
        """Raises UnknownKey, and WouldShow."""
        if WORD.search(text) is None:
            return text

        def key(found: re.Match[str]) -> str:
            with self._lock:
                value = self._kept.get(found[0])
            if value is None:
                raise UnknownKey(text.count("\n", 0, found.start()) + 1)
            return value

        whole = WORD.sub(key, text)
        if (would := self.hide(whole)) != (wanted := self.hide(text)):
            lines = zip(would.split("\n"), wanted.split("\n"), strict=False)
            raise WouldShow(next((at for at, (one, other) in enumerate(lines, 1) if one != other), 1))
        return whole

    def _word(self, key: str) -> str:
        made = hmac.new(self._secret(), b"hidden key\0" + key.encode("utf-8", "surrogatepass"), hashlib.sha256)
        word = f"<hidden-key-{made.hexdigest()[:12]}>"
        with self._lock:
            self._kept[word] = key
            self._kept.move_to_end(word)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return word


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where a rules file's text has keys: begin and end of each."""
    yield from (found.span(1) if found[1] else found.span(2) for found in _USER_INFO.finditer(text))
    try:
        load(text, "")
        root = tree_of(text)
    except RulesError:  # it is shown as it stands, as far as keys can be told by their look
        return
    for server in _children(_child(root, "servers")):
        keys = [_child(server, "api_key")]
        for one in several.items if (several := _child(server, "api_keys")) is not None else ():
            keys.append(_child(one, "key") if one.kind == "mapping" else one)
        headers = _child(server, "headers")
        for name, value in headers.pairs if headers is not None else ():
            if is_secret_header(name.value, value.value):
                keys.append(value)
        for key in keys:
            if key is not None and key.kind == "scalar" and key.value and not _is_harmless(key.value):
                yield _inner(text, key)
        for url in (server, _child(server, "url"), _child(server, "proxy")):
            if url is not None and url.kind == "scalar":
                yield from _in_query(text, url)


def _is_harmless(value: str) -> bool:
    return is_reference(value) or WORD.search(value) is not None


def _inner(text: str, node: Node) -> tuple[int, int]:
    """A scalar without its quotes."""
    is_quoted = text[node.start] in "'\"" and node.end - node.start >= 2
    return (node.start + 1, node.end - 1) if is_quoted else (node.start, node.end)


def _in_query(text: str, node: Node) -> Iterator[tuple[int, int]]:
    for found in _PARAMETER.finditer(text, node.start, node.end):
        if is_secret_parameter(unquote(found[1])) and not WORD.search(found[2]):
            yield found.span(2)


def _children(node: Node | None) -> list[Node]:
    return [value for _, value in node.pairs] if node is not None else []


def _child(node: Node | None, key: str) -> Node | None:
    return next((value for name, value in node.pairs if name.value == key), None) if node is not None else None
