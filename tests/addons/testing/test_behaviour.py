"""The knobs of a reply, as plain values."""

from __future__ import annotations

import pytest

from switchman.addons.testing.behaviour import cut_words


@pytest.mark.parametrize("text", ["", "a", " a  b\n", "<think>\nhm\n</think>\n\nHi", "   "])
def test_words_joined_are_the_text(text: str) -> None:
    """A stream's pieces lose nothing, blanks included."""
    assert "".join(cut_words(text)) == text
