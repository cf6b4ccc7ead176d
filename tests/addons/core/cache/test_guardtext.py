"""A text as the guards compare it: what goes, what is made one, and what stays as it is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.cache.guardtext import Token, signature


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("...!?", []),
        ("１２３ ＡＢＣ ﬁne", ["123", "abc", "fine"]),  # NFKC
        ("What is 10³?", ["what", "is", "10", "^", "3"]),
        ("10⁻³", ["10", "^", "-", "3"]),
        ("cat – dog — cow − 5", ["cat", "dog", "cow", "-", "5"]),
        ("3 × 4 ÷ 2", ["3", "*", "4", "/", "2"]),
        ("E-mail me", ["email", "me"]),
        ("Héllo wörld", ["héllo", "wörld"]),
        ("c++ C# .NET", ["c++", "c#", ".net"]),
        ("R&B 50%", ["r", "and", "b", "50", "percent"]),
        ("1,000 and 1,00 and 1,000.5", ["1000", "and", "1,00", "and", "1000.5"]),
        ("some well-known x-y 3-2 -5", ["some", "well", "known", "x", "-", "y", "3", "-", "2", "-", "5"]),
        ("see (the note)", ["see", "note"]),
        ("(a + b) * 2", ["(", "a", "+", "b", ")", "*", "2"]),
        ("5! = 120", ["5", "!", "=", "120"]),
        ("look! = here", ["look", "!", "=", "here"]),
        ("stop! now", ["stop", "now"]),
        ("~/a ./b ../c", ["~/", "a", "./", "b", "../", "c"]),
    ],
)
def test_characters_and_signs(text: str, words: list[str]) -> None:
    """Ways to write the same character are one; signs stay where they mean something, and sentences' marks go."""
    assert list(signature(text).texts) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("what's", ["what", "is"]),
        ("don't won't they're you'd i'm", ["do", "not", "will", "not", "they", "are", "you", "would", "i", "am"]),
        ("o'clock", ["o", "'clock"]),
        ("the dogs' bone", ["dogs", "bone"]),
        ("Gonna favourite COLOUR", ["going", "to", "favorite", "color"]),
        ("an apple the a", ["apple", "a"]),
        ("vitamin A and a dog", ["vitamin", "a", "and", "dog"]),
        ("give me a few", ["give", "me", "a", "few"]),
        ("an a", ["a"]),
        ("is it actually true", ["is", "it", "true"]),
        ("what does actually mean", ["what", "does", "actually", "mean"]),
        ("define actually", ["define", "actually"]),
        ("actually, is it true", ["actually", "is", "it", "true"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Contractions are written out, spellings made one, articles go unless they are spoken of."""
    assert list(signature(text).texts) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zero", ["0"]),
        ("twenty five", ["25"]),
        ("twenty-five", ["25"]),
        ("five twenty", ["5", "20"]),
        ("one two three", ["1", "2", "3"]),
        ("twenty twelve", ["20", "12"]),
        ("two hundred five", ["205"]),
        ("two hundred and five", ["200", "and", "5"]),
        ("three million", ["3000000"]),
        ("3 million", ["3000000"]),
        ("2.5 million", ["2.5", "1000000"]),
        ("hundred", ["100"]),
        ("third 3rd", ["3rd", "3rd"]),
        ("twenty first", ["20", "1st"]),
        ("`two` two", ["two", "2"]),
        ("0" * 30 + " thousand", ["0" * 30, "1000"]),
        ("million million million million", ["1" + "0" * 18, "1000000"]),
    ],
)
def test_number_words(text: str, words: list[str]) -> None:
    """Those of one number are one; in code they are words; there is no number that nobody says."""
    assert list(signature(text).texts) == words


@pytest.mark.parametrize(
    "text",
    [
        "bake bread",
        "Please bake bread",
        "please please bake bread",
        "Hi there! Could you help me bake bread? Thank you very much!",
        "Good morning. Bake bread, please. Thanks.",
        "Hello, can you kindly bake bread",
        "bake bread Thanks!",
        "Bake bread. Much appreciated!",
        "so well okay bake bread",
    ],
)
def test_courtesy_goes_at_both_ends(text: str) -> None:
    """Of each sentence, as often as it is there."""
    assert signature(text).texts == ("bake", "bread")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("please", "please"),
        ("Thank you. Thank you!", "thank you thank you"),
        ("hello in Japanese", "hello in japanese"),
        ("how do I say thanks", "how to say thanks"),
        ("what rhymes with please", "what rhymes with please"),
        ("translate: thank you", "translate thank you"),
        ("Translate to German: hello, thanks", "translate to german hello thanks"),
        ("the word please", "word please"),
        ("`please` bake", "please bake"),
        ("summarize: please bake the bread now, thanks", "summarize please bake bread now"),
    ],
)
def test_courtesy_that_is_asked_about_stays(text: str, words: str) -> None:
    """Alone, after a colon, and after words that nothing ends with."""
    assert " ".join(signature(text).texts) == words


@pytest.mark.parametrize(
    "text", ["how do I fly", "How can I fly?", "how to fly", "how can one fly", "How does one fly"]
)
def test_ways_to_ask_how(text: str) -> None:
    """They ask the same; alone they are no question."""
    assert signature(text).texts == ("how to", "fly")
    assert signature("how do I").texts == ("how", "do", "i")


def test_some_of_a_kind() -> None:
    """`some` after `what are` says nothing."""
    assert signature("what are some dogs").texts == ("what", "are", "dogs")
    assert signature("what is some dog").texts == ("what", "is", "some", "dog")


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("run `ls -l`", ["ls", "-", "l"]),
        ("run ```ls\n-l``` now", ["ls", "-", "l"]),
        ("run ```ls -l", ["ls", "-", "l"]),
        ('say "Oh, the dog!"', ["Oh", "the", "dog"]),
        ("say “oh, no”", ["oh", "no"]),
        ("say 'oh no'", ["oh", "no"]),
        ("the dogs' and cats' food", []),
        ("说「你好，吗」", ["你", "好", "吗"]),
        ("a ` b", []),
        ('"all of it is quoted"', []),
    ],
)
def test_code_and_quotations_are_fixed(text: str, fixed: list[str]) -> None:
    """As they are written, signs included in code; a sign without its partner quotes nothing, nor does one for all."""
    assert [token.written for token in signature(text).tokens if token.fixed] == fixed


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("the us army", Token("US", "us", start=True)),
        ("tell us", Token("us", "us")),
        ("ask The US", Token("US", "US", start=True)),
        ("learn rust", Token("RUST", "rust", start=True)),
        ("iron rust", Token("rust", "rust")),
        ("in May 5", Token("MAY", "May", start=True)),
        ("you may go", Token("may", "may")),
        ("bulb of an led", Token("LED", "led", start=True)),
    ],
)
def test_names_that_are_common_words_too(text: str, token: Token) -> None:
    """The words beside them, or capitals where these mean something, tell which it is."""
    assert token in signature(text).tokens


def test_capitals_name_where_no_sentence_begins() -> None:
    """At the start a capital says nothing; after a comma it does."""
    tokens = signature("Paris is nice, Rome too. Oslo is far").tokens
    assert [token.text for token in tokens if token.capitalised] == ["rome"]
    assert [token.text for token in tokens if token.start] == ["paris", "rome", "oslo"]
    assert not any(token.capitalised for token in signature("what am I to do").tokens)


@pytest.mark.parametrize(
    ("text", "shouted"),
    [("is it", True), ("IS IT", True), ("Is It The Same Thing Here", True), ("Is it", False), ("In A Box", False)],
)
def test_case_that_says_nothing(text: str, shouted: bool) -> None:
    """All small, all capital, or as in a title of some words."""
    assert signature(text).shouted is shouted


def test_chinese_is_compared_by_characters() -> None:
    """Beside words of other scripts."""
    assert signature("请问 Python 怎么学？").texts == ("python", "怎", "么", "学")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("aA1!.,:'\"`- \n%&#+谢一请吗两百「」⁰\ud800"), max_size=60))
def test_a_signature_is_its_own(text: str) -> None:
    """Any text has one, and only words: no blank and no sentence's end stands in it."""
    found = signature(text)
    assert signature(text) == found
    assert all(token.text.strip() for token in found.tokens)


@pytest.mark.parametrize(
    "unit", ["a ", '"', "'", "`", "one ", "hundred ", "please ", "thanks. ", "谢谢", "一", "- ", "1,", "能不能"]
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    """Ten times the text takes no more than some thirty times the time."""

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        best = 10.0
        for _ in range(3):
            before = time.process_time()
            signature(text)
            best = min(best, time.process_time() - before)
        return best

    assert seconds(100_000) < max(1.0, 30 * seconds(10_000))
