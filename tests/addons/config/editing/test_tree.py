"""Where each value stands in a text."""

from __future__ import annotations

from switchman.addons.config.editing.tree import Node, tree_of

TEXT = """\
# c
a: &x
  - b   # c
  # d
  - {c: 1,  d: [2, 3] } # e
e: *x
f:
g: |
  text

h: 'q'  # tail
"""


def spans(node: Node, text: str) -> list[str]:
    """The text of every leaf and bracket, in order."""
    if node.kind in ("scalar", "alias"):
        return [text[node.start : node.end]]
    inner = [*node.items, *(one for pair in node.pairs for one in pair)]
    own = [text[node.start : node.end]] if node.flow else []
    return own + [found for one in inner for found in spans(one, text)]


def test_spans_end_where_what_is_written_ends() -> None:
    """Without comments and line ends; what is not written is an empty span behind its colon."""
    for text in (TEXT, TEXT.replace("\n", "\r\n")):
        root = tree_of(text)
        assert root is not None
        found = [one.replace("\r", "") for one in spans(root, text)]
        assert found == [
            "a", "b", "{c: 1,  d: [2, 3] }", "c", "1", "d", "[2, 3]", "2", "3",
            "e", "*x", "f", "", "g", "|\n  text", "h", "'q'",
        ]  # fmt: skip
        nothing = {key.value: value for key, value in root.pairs}["f"]
        assert text[: nothing.start].endswith("\nf:")
        assert text[root.end :].replace("\r", "") == "  # tail\n"


def test_nothing_and_json() -> None:
    """A text without a value has no tree; tabs do not disturb that of JSON."""
    assert tree_of("") is None and tree_of("# only\n") is None
    root = tree_of('{\n\t"a": [1]}')
    assert root is not None and root.flow and root.pairs[0][0].start == 3
