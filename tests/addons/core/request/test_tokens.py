"""Estimates of tokens: about right in every script, and never dear."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.request.tokens import COUNTED, estimated_tokens, estimated_total


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 8, 13),
        ("人工智能正在改变我们的生活方式。" * 10, 96, 200),
        ("これは日本語のテストです。" * 10, 80, 150),
        ("안녕하세요 반갑습니다 " * 10, 70, 150),
        ("Это предложение на русском языке. " * 10, 60, 150),
        ("def area(w, h):\n    return w * h\n", 10, 25),
        ("🎉" * 10, 10, 30),
    ],
)
def test_tokens_of_every_script(text: str, least: int, most: int) -> None:
    """A Han character is about a token, an English word a little over one."""
    assert least <= estimated_tokens(text) <= most


class Looked(str):
    """A text that notes how much of it is taken out."""

    taken = 0

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        Looked.taken += len(part)
        return part


@pytest.mark.parametrize("size", [40, 900, 5_000, 2_000_000])
def test_tokens_of_a_long_conversation_are_estimated_from_samples(size: int) -> None:
    """Of two million characters at most COUNTED are looked at, and the sum is right to a twentieth."""
    kinds = (
        "The quick brown fox jumps over the lazy dog. ",
        "请比较这两个图书馆的建设方案。",
        "x = f(a[0], 'b')\n    ",
    )
    texts = [(kinds[number % 3] * (size // 10))[:size] for number in range(2_000_000 // size)]
    Looked.taken = 0
    found = estimated_total([Looked(text) for text in texts])
    assert found == pytest.approx(sum(estimated_tokens(text) for text in texts), rel=0.05)
    assert Looked.taken <= COUNTED


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a" * 49, 10),  # one long word counts by its letters: 4.9 a token
        ("a b " * 50, 105),  # many short ones by their number: 1.05 each
        ("0" * 24, 10),
        ("!" * 10, 7),
        ("\n" * 10, 5),
        ("я" * 10, 4),
        ("°" * 10, 4),
        ("߿" * 10, 4),  # the last character of two bytes
        ("ࠀ" * 10, 6),  # the first of three
        ("⿿" * 10, 6),  # the last before kana and Han
        ("　" * 10, 8),
        ("鿿" * 10, 8),
        ("ꀀ" * 10, 9),
        ("￿" * 10, 8),
        ("𐀀" * 10, 16),
        ("\U0010ffff" * 10, 16),
        ("ก" * 10, 6),
        ("中" * 10, 8),
        ("あ" * 10, 8),
        ("Ａ" * 10, 8),  # full-width
        ("한" * 10, 9),
        ("🚀" * 10, 16),
        ("\ud800" * 10, 9),  # a lone surrogate is encoded as Hangul's neighbours are
        (" ", 1),
        ("\x00", 1),
    ],
)
def test_each_kind_of_character_has_its_weight(text: str, tokens: int) -> None:
    """Ten of a kind cost what the docstring says; any text at all costs at least one."""
    assert estimated_tokens(text) == tokens


def test_words_count_only_where_there_are_letters() -> None:
    """Numbers between blanks are digits and no words; a word without an ASCII letter is its characters."""
    assert estimated_tokens("1 2 3 4 5") == round(5 / 2.4)
    assert estimated_tokens("да да да да") == round(8 * 0.4)


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    """By more than the roundings."""
    assert estimated_tokens(text) >= 0
    assert estimated_tokens(text + "\n" + more) >= estimated_tokens(text) - 1


@pytest.mark.parametrize("texts", [[], [""], ["", "", ""]])
def test_nothing_is_no_tokens(texts: list[str]) -> None:
    """Neither no text nor empty ones."""
    assert estimated_total(texts) == (1 if len(texts) > 1 else 0)  # the blanks between them


@pytest.mark.parametrize("over", [0, 1])
def test_sampling_begins_above_the_limit(over: int) -> None:
    """A text of COUNTED characters is read whole; one more is sampled, and the estimate hardly moves."""
    text = "word " * (COUNTED // 5 + 1)
    text = text[: COUNTED + over]
    Looked.taken = 0
    found = estimated_total([Looked(text)])
    assert found == pytest.approx(estimated_tokens(text), rel=0.05)
    assert (Looked.taken > 0) is bool(over)


def test_samples_are_taken_from_every_part() -> None:
    """A conversation that changes its script half way is not judged by its beginning."""
    texts = ["plain words here " * 6_000, "中文" * 50_000, "plain words here " * 2_000]
    assert estimated_total(texts) == pytest.approx(sum(map(estimated_tokens, texts)), rel=0.05)
