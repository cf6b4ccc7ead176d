"""A text that comes back from a browser's form, with the line ends that it had when it went there.

Browsers send every line end as CRLF, and show a byte order mark as nothing.
"""

from __future__ import annotations

from switchman.addons.core.texts.aligning import Bounded

BOM = "\ufeff"


def shown(text: str) -> str:
    """The text as a form has it: no byte order mark, line ends of one kind."""
    return text.removeprefix(BOM).replace("\r\n", "\n")


def as_before(text: str, before: str) -> str:
    """`text`, which a person has changed, with the byte order mark and the line ends of `before`.

    A line that was there keeps its own end; new ones have the first line's.
    """
    mark = BOM if before.startswith(BOM) else ""
    text, before = shown(text), before.removeprefix(BOM)
    if "\r\n" not in before:
        return mark + text
    lines = text.split("\n")
    old = before.split("\n")
    usual = "\r" if old[0].endswith("\r") else ""
    ends = [usual] * len(lines)
    if all(line.endswith("\r") for line in old[:-1]):
        return mark + "\r\n".join(lines)
    plain = [line.removesuffix("\r") for line in old]
    for at, there, size in Bounded(plain, lines).get_matching_blocks():
        for step in range(size):
            ends[there + step] = "\r" if old[at + step].endswith("\r") else ""
    ends[-1] = ""  # there is no line end behind the last one
    return mark + "\n".join(line + end for line, end in zip(lines, ends, strict=True))
