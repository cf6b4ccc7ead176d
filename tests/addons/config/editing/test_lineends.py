"""Line ends and a byte order mark survive a browser's form."""

from __future__ import annotations

import time

import pytest

from switchman.addons.config.editing.lineends import as_before, shown

TEXT = "a: 1\nb: 2\n\nc: 3\n"


def posted(text: str) -> str:
    """As a browser sends it."""
    return shown(text).replace("\n", "\r\n")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "a\r\nb\nc\r\nd", "a\nb\r\nc\n", "", "a", "\r\n"])
def test_what_is_not_changed_is_the_same(mark: str, text: str) -> None:
    """With one kind of line end, with both, and with none."""
    assert as_before(posted(mark + text), mark + text) == mark + text


def test_new_lines_end_as_the_first_one() -> None:
    assert as_before("a\r\nnew\r\nb\r\n", "a\nb\n") == "a\nnew\nb\n"
    assert as_before("a\nnew\nb\n", "a\r\nb\r\n") == "a\r\nnew\r\nb\r\n"
    assert as_before("a\nnew\nb\n", "a\r\nb\n") == "a\r\nnew\r\nb\n"
    assert as_before("new\r\n", "") == "new\n"


def test_a_text_that_is_slow_to_compare_is_saved_in_time() -> None:
    """Few lines that come again and again, of a file with both kinds of line ends."""
    old = "".join(f"- {at % 7}\r\n" if at % 3 else f"- {at % 7}\n" for at in range(20_000))
    began = time.process_time()
    made = as_before("".join(f"- {at % 5}\n" for at in range(20_000)), old)
    assert time.process_time() - began < 10 and made.count("\n") == 20_000
