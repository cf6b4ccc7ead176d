"""Whether a secret looks as if a machine had drawn it, or as if somebody had thought of it.

What was drawn evenly cannot be written shorter. So the secret is "compressed": each character is predicted by several
experts at once (a language's pairs of letters, what came before, sequences, keyboard rows, how often each character
came), which are weighted by how well they did so far ("fixed share", Herbster and Warmuth 1998). The code length is
that of a proper code; by Markov's inequality an even draw is shortened by T bits with a probability below 2 ** -T.

Such a test needs no dictionary, and holds for languages that no dictionary has. zxcvbn 4.5 was measured instead: a
German sentence gets 147 bits, 32 random hex digits 103, so no bound on its estimate tells the two apart (and it takes
13 MB and 0.1 s in each process). Eight words of diceware are refused, too: they cannot be told from a sentence.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Callable, Iterable

GAIN = 14.0  # bits that a secret may be shortened by: an even draw is with a probability of one in a million
SHARE = 0.05  # of the weight is shared out anew at each character, as a secret may be of several kinds in turn
SURE = 0.9  # what an expert gives the one character that it expects

# A row for each letter, a digit for each one that may follow: its cost in bits, rounded, in words of European languages
# (zxcvbn's lists of English words and names, and samples of 40 languages, without accents).
_PAIRS = """
66558756476342759344567856 35992999498498399367399959 39683983494589358475479977 38962979389676359458477956
57545668577353769234667666 39973499398589299385489969 39982954398486499357498949 28982898388676289585468958
46454658776452568534759897 29792699596565299799399997 28982996397576399446467969 37852789387368479856579949
25692899399847349968599969 38543737486794498843679968 66556667586442559345455876 38993994389489359354599949
99999999899999999999099999 37652867376665388554578957 38483984395676458942587976 38592893398687399454597967
46544757567443759334789777 29991999299797399798789969 29772893298684499557999959 38495896399799529982799989
36463897576453469543687977 39752967396567498995596946
"""
PAIRS = _PAIRS.split()
ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm")
COLUMNS = tuple("".join(column) for column in zip("1234567890", "qwertyuiop", "asdfghjkl;", "zxcvbnm,./", strict=True))
# Words that secrets are made of where somebody makes one up, and the commonest of all.
_WORDS = """
secret key token jwt password super your dashboard switchman production development private public access api
app change this that with very long secure string random admin login session cookie signing sign value default
test please replace must should least character bits bytes only not use for the and are you have from will my
our love hello world monkey dragon master shadow summer winter spring football welcome letmein qwerty iloveyou
money server service system internal staging hidden safe strong code data user name auth json web proxy router
llm
"""
WORDS = _WORDS.split()
LONGEST = max(map(len, WORDS))
WORD_BEGINS = {word[0] for word in WORDS}
LOOKALIKES = str.maketrans("013457@$!|", "oieastasil")
CLASSES = (
    string.digits,
    string.digits + "abcdef",
    string.digits + "ABCDEF",
    string.ascii_lowercase,
    string.ascii_uppercase,
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + string.digits,
    string.ascii_lowercase + string.digits + "!@#$%^&*(-_=+)",  # Django's get_random_secret_key
    string.ascii_letters,
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "+/",
    string.digits + string.ascii_letters + string.punctuation,
)
SEPARATORS = " \t-_.,:=/+"

NEXT: dict[str, dict[str, float]] = {}
for _begun in {word[:at] for word in WORDS for at in range(2, len(word))}:
    _followed = [word[len(_begun)] for word in WORDS if word.startswith(_begun) and len(word) > len(_begun)]
    NEXT[_begun] = {letter: count / len(_followed) for letter, count in Counter(_followed).items()}

# The chance that each of some characters comes next, given those before; what it does not name is as in an even draw.
Expert = Callable[[str], dict[str, float]]


def drawn_bits(secret: str) -> float | None:
    """The bits of an even draw of these characters; None where the secret is no such draw.

    Separators count for nothing: between groups they are no draw, and of 48 random bytes few are lost.
    """
    text = "".join(character for character in secret if character not in SEPARATORS)
    size = _class_size(text)
    bits = len(text) * math.log2(size) if text else 0.0
    lower = secret.lower()
    case = _flags(secret[at].isupper() for at, character in enumerate(lower) if character != character.upper())
    plain = lower.translate(LOOKALIKES)
    alike = case + _flags(lower[at] == letter for at, letter in enumerate(plain) if letter in "oieastl")
    for written, told in ((secret, 0.0), (lower, case), (plain, alike), (plain[::-1], alike)):
        if bits - told - _code_length(written, size) > GAIN:
            return None
    return bits


def _flags(flags: Iterable[bool]) -> float:
    """Bits that it takes to say these, each after the one before it: capitals at the beginning of words, say."""
    seen = {False: [0.5, 0.5], True: [0.5, 0.5]}
    before, bits = False, 0.0
    for flag in flags:
        bits -= math.log2(seen[before][flag] / sum(seen[before]))
        seen[before][flag] += 1
        before = flag
    return bits


def _class_size(text: str) -> int:
    characters = set(text)
    for one in CLASSES:
        if characters <= set(one):
            return len(one)
    return 96 + 160 * any(character > "~" for character in characters)


def _code_length(text: str, alphabet: int) -> float:
    """Bits. The mixture's first expert knows nothing, so it is never much longer than an even draw."""
    experts: tuple[Expert, ...] = (_nothing, _letters, _words, _repeats, _steps, _keys, _counts(alphabet))
    weights = [1 / len(experts)] * len(experts)
    bits = 0.0
    for at, character in enumerate(text):
        if character in SEPARATORS:
            continue
        chances = [_chance(expert(text[:at]), character, alphabet) for expert in experts]
        total = sum(weight * chance for weight, chance in zip(weights, chances, strict=True))
        bits -= math.log2(total)
        weights = [
            (1 - SHARE) * weight * chance / total + SHARE / len(experts)
            for weight, chance in zip(weights, chances, strict=True)
        ]
    return bits


def _chance(expected: dict[str, float], character: str, alphabet: int) -> float:
    """A tenth of an even draw is mixed in, so that nothing is impossible."""
    even = 1 / alphabet
    if not expected:
        return even
    return SURE * expected.get(character, 0.0) + (1 - SURE) * even


def _nothing(before: str) -> dict[str, float]:
    return {}


def _even(characters: Iterable[str]) -> dict[str, float]:
    found = set(characters)
    return dict.fromkeys(found, 1 / len(found)) if found else {}


def _letters(before: str) -> dict[str, float]:
    """The next letter of a word, in the case of the last one."""
    last = before[-1:].lower()
    if not ("a" <= last <= "z"):
        return {}
    costs = [2.0 ** -int(digit) for digit in PAIRS[ord(last) - ord("a")]]
    letters = string.ascii_uppercase if before[-2:].isupper() else string.ascii_lowercase
    return {letter: cost / sum(costs) for letter, cost in zip(letters, costs, strict=True)}


def _words(before: str) -> dict[str, float]:
    """How a word goes on that people call a secret by."""
    begun = before[-1:].isalpha() and before[-LONGEST:].lower()
    if not begun:
        return _even(WORD_BEGINS)
    for at in range(len(begun)):
        if found := NEXT.get(begun[at:]):
            return found
    return {}


def _repeats(before: str) -> dict[str, float]:
    """What came after the last two characters when they were there before."""
    return _even(before[at + 2] for at in range(len(before) - 2) if before[at : at + 2] == before[-2:])


def _steps(before: str) -> dict[str, float]:
    """The next one of aaa, abc or cba."""
    if not before:
        return {}
    return _even(chr(code) for step in (-1, 0, 1) if (code := ord(before[-1]) + step) > 0)


def _keys(before: str) -> dict[str, float]:
    """The keys beside, above and below the last one."""
    last = before[-1:].lower()
    beside = []
    for line in (*ROWS, *COLUMNS) if last else ():
        at = line.find(last)
        if at >= 0:
            beside += [*line[max(0, at - 1) : at], *line[at + 1 : at + 2]]
    return _even(beside)


def _counts(alphabet: int) -> Expert:
    """How often each character came (Krichevsky and Trofimov 1981)."""

    def expect(before: str) -> dict[str, float]:
        total = len(before) + alphabet / 2
        return {character: (count + 0.5) / total for character, count in Counter(before).items()}

    return expect
