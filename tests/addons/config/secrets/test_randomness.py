"""What was drawn evenly cannot be written shorter; what somebody thought of can."""

from __future__ import annotations

import math
import random
import string

import pytest

from switchman.addons.config.secrets.randomness import drawn_bits


@pytest.mark.parametrize(
    ("alphabet", "size"),
    [
        (string.digits, 10),
        ("0123456789abcdef", 16),
        (string.ascii_lowercase, 26),
        (string.ascii_letters, 52),
        (string.ascii_letters + string.digits, 62),
        (string.ascii_letters + string.digits + "!#$%&()*", 94),
    ],
)
def test_a_draw_has_the_bits_of_its_alphabet(alphabet: str, size: int) -> None:
    """The smallest of the usual ones that has all of its characters; separators count for nothing."""
    generator = random.Random(7)
    for _ in range(5):
        text = "".join(generator.choice(alphabet) for _ in range(60))
        assert drawn_bits(text) == pytest.approx(60 * math.log2(size))
        assert drawn_bits("-".join(text[at : at + 5] for at in range(0, 60, 5))) == drawn_bits(text)


@pytest.mark.parametrize(
    "text",
    [
        "a sentence with some words in it",
        "einSatzMitEinigenWoerternDarin",
        "4 r4th3r l0ng s3nt3nc3 w1th s0m3 w0rds 1n 1t",
        "ti ni sdrow emos htiw ecnetnes gnol rehtar a",
        "xK7mxK7mxK7mxK7mxK7m",
        "aaaabbbbccccddddeeee",
        "qwertyuioplkjhgfdsazxcvbnm",
        "abababbbaababbabaaababab",
    ],
)
def test_what_has_a_pattern_is_no_draw(text: str) -> None:
    """Words, with digits for letters, backwards; repeats, sequences, keyboard rows, few characters."""
    assert drawn_bits(text) is None


@pytest.mark.parametrize("text", ["", "-", "--- ---"])
def test_nothing_has_no_bits(text: str) -> None:
    """And no error."""
    assert drawn_bits(text) == 0


def test_text_of_any_script_is_measured() -> None:
    """Each character of it counts as one of many."""
    assert drawn_bits("密码是这个服务器的名字加上我的生日") is not None
    assert drawn_bits("\ud800\x00é") is not None
