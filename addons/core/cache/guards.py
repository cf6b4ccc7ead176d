"""The semantic cache's guards: may the answer to one ask serve another?

    strict(a, b) -> bool                    default: the same words in the same order, but for typos and courtesy
    relaxed(a, b, similarity) -> bool       small paraphrases too, where the embeddings are as close as `similarity`

A similarity alone cannot tell 5 from 6, more from less or Paris from Rome: such texts are near each other in spite of
the difference. So a hit needs the similarity *and* a guard, and a guard accepts only the differences that it knows.
Numbers, negation, direction words, names, code, quotations and word order must always be equal.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.cache import guardpairs as pairs
from switchman.addons.core.cache.guardtext import Signature, Token, signature

RELAXED_SIMILARITY: Final = 0.9  # cosine; below it the relaxed guard is as strict as the strict one

_KEYS: Final = """
    q:wa w:qes e:wrd r:etf t:ryg y:tuh u:yij i:uok o:ipl p:ol a:qsz s:awdxz d:sefcx f:drgvc g:fthbv h:gyjnb j:hukmn
    k:jilm l:kop z:asx x:zsdc c:xdfv v:cfgb b:vghn n:bhjm m:njk
"""
_NEIGHBOURS: Final = {pair[0]: frozenset(pair[2:]) for pair in _KEYS.split()}
# Endings do not count for a word's length: without them, cooking and cooling are too short for typos.
_ENDINGS: Final = ("ings", "ing", "ies", "ers", "eds", "ed", "es", "er", "ly", "s")


def strict(a: str, b: str) -> bool:
    """Whether both ask the same in the same words. Symmetric; linear in the lengths."""
    return a == b or same_words(signature(a), signature(b))


def relaxed(a: str, b: str, similarity: float | None = None) -> bool:
    """Whether both ask the same, small paraphrases included. Without a similarity, as strict as `strict`."""
    if a == b:
        return True
    first, second = signature(a), signature(b)
    if same_words(first, second):
        return True
    if similarity is None or similarity < RELAXED_SIMILARITY:
        return False
    return _paraphrased(first, second)


def same_words(a: Signature, b: Signature) -> bool:
    """Compare token by token. A few may be typos of each other, but no short word, number, name or code."""
    if len(a.tokens) != len(b.tokens) or not a.tokens:
        return False
    anycase, telling = _case_is_style(a, b), not (a.shouted or b.shouted)
    typos = 0
    for index, (one, other) in enumerate(zip(a.tokens, b.tokens, strict=True)):
        if one.written != other.written and one.fixed and other.fixed and not anycase:
            return False
        if telling and _cased_apart(one, other):
            return False
        if one.text == other.text:
            continue
        if one.fixed or other.fixed or _names(a, index) or _names(b, index) or not is_typo(one.text, other.text):
            return False
        typos += 1
    return typos <= 1 + len(a.tokens) // 8 and typos < len(a.tokens)


def _case_is_style(a: Signature, b: Signature) -> bool:
    """Whether case may differ in code too: one text is all small (or all capital), and differs in case elsewhere."""
    if not a.shouted and not b.shouted:
        return False
    outside = [(one.written, other.written) for one, other in zip(a.tokens, b.tokens, strict=True) if not one.fixed]
    return any(one != other and one.lower() == other.lower() for one, other in outside)


def _names(found: Signature, index: int) -> bool:
    """Whether the token is a name, or begins a sentence and stands before a name: Carlos Slim."""
    token = found.tokens[index]
    if token.capitalised or not token.start or not token.written[:1].isupper():
        return token.capitalised
    return index + 1 < len(found.tokens) and found.tokens[index + 1].capitalised


def _cased_apart(one: Token, other: Token) -> bool:
    """Whether two tokens are the same word in other capitals, where no sentence begins: us and US, Mb and MB."""
    if one.written == other.written or one.start or other.start or one.text == "i":
        return False
    return one.written.lower() == other.written.lower()


def is_typo(a: str, b: str) -> bool:
    """Whether one is the other with a single slip: two letters swapped, one missing, doubled or from the next key.

    The first letter and the ending must be equal: there, a slip cannot be told from grammar.
    """
    if not (a.isalpha() and b.isalpha() and a.isascii() and b.isascii()):
        return False
    if min(len(a), len(b)) < 5 or a[0] != b[0] or frozenset((a, b)) in pairs.CONFUSABLE:
        return False
    if len(a) == len(b):
        return _one_swap(a, b) or _one_key(a, b)
    return _one_missing(a, b) if len(a) > len(b) else _one_missing(b, a)


def _stem(word: str) -> int:
    """The number of letters before the ending."""
    return len(word) - next((len(ending) for ending in _ENDINGS if word.endswith(ending)), 0)


def _differences(a: str, b: str) -> list[int]:
    return [index for index, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]


def _one_swap(a: str, b: str) -> bool:
    at = _differences(a, b)
    if len(at) != 2 or at[1] != at[0] + 1 or at[1] >= _stem(a):
        return False
    return at[1] < len(a) - 1 and a[at[0]] == b[at[1]] and a[at[1]] == b[at[0]]


def _one_key(a: str, b: str) -> bool:
    """Whether one letter is a neighbouring key's, inside a long word. Two vowels may make two words: not accepted."""
    at = _differences(a, b)
    if len(at) != 1 or min(_stem(a), _stem(b)) < 7 or at[0] >= _stem(a) - 1:
        return False
    one, other = a[at[0]], b[at[0]]
    return other in _NEIGHBOURS[one] and not (one in "aeiou" and other in "aeiou")


def _one_missing(longer: str, shorter: str) -> bool:
    """Whether one letter is lost or doubled inside a word; not where the ending begins (planing and planning)."""
    if len(longer) != len(shorter) + 1:
        return False
    at = next((index for index, (one, other) in enumerate(zip(longer, shorter, strict=False)) if one != other), -1)
    if at < 1 or longer[at + 1 :] != shorter[at:]:
        return False
    doubled = longer[at] == longer[at - 1]
    least = 6 if doubled else 7
    return _stem(longer) >= least and at < _stem(longer) - 1


# ---- small paraphrases --------------------------------------------------------------------------------------------

_CONJUNCTIONS: Final = frozenset({"and", "or"})


def _paraphrased(a: Signature, b: Signature) -> bool:
    """Whether the content words are the same in the same order, up to synonyms and light words; or two of them are
    swapped at an `and` or `or`."""
    first, second = _content(a), _content(b)
    said, other = [_meant(token) for token in first], [_meant(token) for token in second]
    if said != other:
        return len(said) == len(other) and len(said) >= 4 and _swapped_at_conjunction(said, other)
    if not (a.shouted or b.shouted) and any(map(_cased_apart, first, second)):
        return False
    if len(said) < 2:
        return False
    asking = a.texts[0] in pairs.ASKING and b.texts[0] in pairs.ASKING
    return asking or not any(map(_other_number, first, second))


def _other_number(one: Token, other: Token) -> bool:
    """Whether two tokens differ in number only: a question about a kind allows that, a wish for one poem does not."""
    return one.text != other.text and one.text.rstrip("s") == other.text.rstrip("s")


def _content(found: Signature) -> list[Token]:
    """The tokens that carry meaning."""
    return [token for token in found.tokens if token.fixed or token.text not in pairs.LIGHT]


def _meant(token: Token) -> str:
    """The form in which tokens are compared: the first of the synonyms, in the singular."""
    text = token.text
    if token.fixed:
        return token.written
    if token.capitalised or not text.isascii():
        return text
    text = pairs.SYNONYMS.get(text, text)
    return "is" if text == "are" else _singular(text)


def _singular(text: str) -> str:
    if len(text) < 4 or text in pairs.PLURALS_APART or not text.endswith("s"):
        return text
    if text.endswith(("ss", "us", "is", "as", "ous")):
        return text
    singular = text[:-3] + "y" if text.endswith("ies") and len(text) > 4 else text[:-1]
    return pairs.SYNONYMS.get(singular, singular)


def _swapped_at_conjunction(a: list[str], b: list[str]) -> bool:
    at = [index for index, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
    if len(at) != 2 or at[1] != at[0] + 2:
        return False
    left, middle, right = a[at[0] : at[1] + 1]
    return middle in _CONJUNCTIONS and b[at[0]] == right and b[at[1]] == left and "respectively" not in a
