"""What is private in a text: where it stands, and of which kind it is.

Nothing here goes through a text character by character in Python. A few passes in C find the marks of each kind (`@`,
digits, `://`, 16 characters of a word in a row), and only what stands around a mark is looked at closely, up to a
bound. So the time is linear in the length of any text.

    email       a.name@host.tld
    phone       with + or 00 and a country; (ddd) ddd-dddd and its kin; with a leading 0 and separators
    card        13 to 19 digits that pass Luhn's test, in groups or not
    iban        of a country that has them, with the length that it has there, mod 97 = 1
    ssn         ddd-dd-dddd, as the United States give them
    ip          of version 4 or 6; loopback and unspecified addresses say nothing about anybody
    secret      what begins as keys of providers do, words without order, what is assigned to a password, private keys
    jwt         three parts in base64url, of which the first is a JSON object's
    credentials `user:password@` in a URL
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple

from switchman.addons.core.texts.masking import KEY_BEGINNINGS, is_secret_word
from switchman.addons.core.texts.redaction.words import Words

KINDS: Final = frozenset({"email", "phone", "card", "iban", "ssn", "ip", "secret", "jwt", "credentials"})
WORD: Final = "word"  # the kind of what stands in the file of words


class Span(NamedTuple):
    """`text[start:end]` is private. `kind`: one of KINDS, or WORD."""

    start: int
    end: int
    kind: str


# RFC 5321: 64 characters of a local part; RFC 1035: 253 of a name.
_LONGEST_LOCAL: Final = 64
_LOCAL: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]{1,64}+")  # backwards
_DOMAIN: Final = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,10}[^\W\d_][\w-]{0,61}[^\W_]|\[[0-9a-fA-F:.]{2,45}\]"
)
_PARAMETER: Final = re.compile(r"[?&][\w.-]{1,64}+=")  # of a URL's query
# Digits with what may separate them; at most as many as stand in any number here.
_NUMBER: Final = re.compile(r"[0-9](?:[0-9]|[ .()/\u00a0\u2011-](?=[0-9(])|[) ][ .(/-](?=[0-9(]))*+")
_CARD: Final = re.compile(
    r"[2-69][0-9]{12,18}|[2-69][0-9]{3}(?:([ -])[0-9]{4})(?:\1[0-9]{1,6}){1,4}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}"
)
_SSN: Final = re.compile(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}")
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?:\.(?=[0-9])|(?![0-9.]))){4}")
_NATIONAL: Final = re.compile(
    r"[2-9][0-9]{2}(?:\) ?|[ .\u2011-])[2-9][0-9]{2}[ .\u2011-][0-9]{4}"
    r"|1[ .-]\(?[2-9][0-9]{2}\)?[ .-][0-9]{3}[ .-][0-9]{4}"
)
_TRUNK: Final = re.compile(
    r"0[1-9][0-9]{1,4}\)?[ /\u2011-][0-9]{2,}(?:[ /\u2011-][0-9]{2,}){0,4}|0[1-9](?:[ .][0-9]{2}){4}|0[0-9]{4} [0-9]{6}"
)
_DATE: Final = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}")
_IBAN: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,30}")
# Characters of an IBAN, by country (SWIFT's IBAN registry, release 99).
_IBAN_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_V6_MARK: Final = re.compile(r":(?:[0-9A-Fa-f]{1,4})?:")
_V6: Final = re.compile(r"[0-9A-Fa-f:]{2,}+(?:(?:\.[0-9]{1,3}){3})?")
_JWT: Final = re.compile(r"[\w-]{8,8192}+\.[\w-]{5,65536}+\.[\w-]{0,8192}+", re.ASCII)
_USERINFO: Final = re.compile(r"://([^/?#\s\"'<>@]{1,256}(?:@[^/?#\s\"'<>@]{1,64})?)@(?=[\w\[])")
_PEM: Final = re.compile(r"-----BEGIN ([A-Z ]{0,30})PRIVATE KEY(?: BLOCK)?-----")
_NAMES: Final = (b"passw", b"passphr", b"secret", b"token", b"key", b"pwd")
_KEY_BEFORE: Final = (b"api", b"api_", b"api-", b"access", b"access_", b"private_", b"auth_", b"secret_")
_ASSIGNED: Final = re.compile(
    r"[\w-]{0,32}+(?:\\?[\"'])?(?: ?[=:] ?| is )(?:\\?([\"']))?"
    r"((?(1)[^\s\"'\\]{4,256}+|[^\s\"',;()\[\]{}<>$\\]{6,256}+))(?(1)|(?![(\[{<$]))"
)
_PLACEHOLDER: Final = r"(?:EMAIL|PHONE|CARD|IBAN|SSN|IP|SECRET|JWT|CREDENTIALS|WORD)_[0-9a-fA-F]+"
_OURS: Final = re.compile(_PLACEHOLDER)
_LETTERS: Final = re.compile(r"[A-Za-z_.]*+|\.\.\.\S*|" + _PLACEHOLDER)
_PLAIN: Final = re.compile(r"[A-Za-z_.]*+|[0-9.,_]*+|[a-z_]+[0-9]?|(?:sha\d+|md5)[:-].*|" + _PLACEHOLDER)
_A_DIGIT: Final = re.compile(r"[0-9]")
_BEARER: Final = "bearer "
_SHORTEST: Final = 16  # characters of a word that may be a secret
_LONGEST: Final = 4096
_RUN: Final = b"a" * _SHORTEST
# Characters of a word are `a`, all others a space.
_WORDS: Final = bytes(
    0x61 if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-") else 0x20 for code in range(256)
)


def find(text: str, kinds: frozenset[str], words: Words | None = None) -> list[Span]:
    """All that is private in `text`, in order; no two overlap: what overlaps is found as one."""
    found: list[Span] = []
    data = text.encode("latin-1", "replace")  # a byte for each character, so that places are the same
    if "email" in kinds and "@" in text:
        found += _emails(text)
    if not kinds.isdisjoint(_OF_DIGITS):
        found += _numbers(text, kinds)
    if "ip" in kinds:
        found += _sixes(text)
    if "credentials" in kinds and "://" in text:
        found += [Span(match.start(1), match.end(1), "credentials") for match in _USERINFO.finditer(text)]
    if "jwt" in kinds or "secret" in kinds:
        found += _web_tokens(text)
    if "secret" in kinds:
        found += _secrets(text, data)
    if words is not None:
        found += [Span(start, end, WORD) for start, end in words.find(text, data)]
    return _apart(found) if len(found) > 1 else found


def _apart(found: list[Span]) -> list[Span]:
    found.sort(key=lambda span: (span.start, -span.end))
    apart = found[:1]
    for span in found[1:]:
        last = apart[-1]
        if span.start >= last.end:
            apart.append(span)
        elif span.end > last.end:
            apart[-1] = Span(last.start, span.end, last.kind)
    return apart


def _emails(text: str) -> Iterator[Span]:
    end, at = 0, text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1, at + 256)
        local = _LOCAL.match(text[max(end, at - _LONGEST_LOCAL) : at][::-1]) if domain else None
        if domain and local:
            start = at - len(local[0].rstrip(".'"))
            start = _behind_address(text, start, at)
            while start < at and text[start] in "'.`*{|}/=&?":
                start += 1
            if start > 0 and text[start - 1] == "\\" and start + 1 < at and text[start] in "nrt":
                start += 1  # `\n` in JSON, before the name
            if start < at:
                end = domain.end()
                yield Span(start, end, "email")
        at = text.find("@", at + 1)


def _behind_address(text: str, start: int, at: int) -> int:
    """Where a local part begins that ends before `at`: `/`, `?`, `&` and `=` may be in one, and may be a URL's."""
    if text[start] == "/" or at - start >= _LONGEST_LOCAL:
        start = max(start, text.rfind("/", start, at) + 1)
    for mark in _PARAMETER.finditer(text, start, at):
        start = mark.end()
    return start


# --- what is made of digits -------------------------------------------------------------------------------------------

_OF_DIGITS: Final = frozenset({"phone", "card", "iban", "ssn", "ip"})
_MOST: Final = 40  # characters of a number, with what separates its digits


def _numbers(text: str, kinds: frozenset[str]) -> Iterator[Span]:
    for match in _NUMBER.finditer(text):
        start, end = match.span()
        if "iban" in kinds and start >= 2 and text[start - 1].isalpha() and (span := _iban(text, start - 2)):
            yield span
        elif end - start >= 7:
            yield from _in_number(text, start, end, kinds)


def _in_number(text: str, start: int, end: int, kinds: frozenset[str]) -> Iterator[Span]:
    """What is in one run of digits and separators. It may hold several numbers, one after the other."""
    if _is_word(text, start - 1) or (text[start - 1 : start] == "." and _is_word(text, start - 2)):
        start = _behind(text, start, end)
    begins = True  # a phone's number does not begin within another number
    while end - start >= 7:
        span = _number(text, start, end, kinds, begins=begins)
        if span is not None:
            yield span
            start = span.end
        begins = span is not None
        start = _behind(text, start, end)


def _behind(text: str, start: int, end: int) -> int:
    """Where the next digits begin behind those at `start`, and what separates them."""
    while start < end and text[start] in _DIGITS:
        start += 1
    while start < end and text[start] not in _DIGITS:
        start += 1
    return start


_DIGITS: Final = frozenset("0123456789")


def _number(text: str, start: int, end: int, kinds: frozenset[str], *, begins: bool) -> Span | None:
    stop = min(end, start + _MOST)

    def whole(pattern: re.Pattern[str]) -> int:
        match = pattern.match(text, start, end)
        return match.end() if match and not _is_word(text, match.end()) else -1

    if "ip" in kinds and (at := whole(_IPV4)) > 0 and _tells(text[start:at]):
        return Span(start, at, "ip")
    if "card" in kinds and (at := whole(_CARD)) > 0 and _luhn(text[start:at]):
        return Span(start, at, "card")
    if "ssn" in kinds and (at := whole(_SSN)) > 0:
        return Span(start, at, "ssn")
    return _phone(text, start, stop, end) if "phone" in kinds and begins else None


def _phone(text: str, start: int, stop: int, end: int) -> Span | None:
    plus = text[start - 1 : start] == "+" and not _is_word(text, start - 2)
    if plus or (text.startswith("00", start)):
        at = stop
        while at > start and text[at - 1] not in _DIGITS:
            at -= 1
        count = sum(character in _DIGITS for character in text[start:at])
        if 8 <= count <= 17 - 2 * plus and not (at < end and text[at] in _DIGITS) and not _is_word(text, at):
            first = text[start:at]
            if plus or any(not character.isdigit() for character in first) or count >= 11:
                return Span(start - plus, at, "phone")
        return None
    for pattern in (_NATIONAL, _TRUNK):
        match = pattern.match(text, start, end)
        if match and not _is_word(text, match.end()) and not _DATE.match(text, start, end):
            count = sum(character in _DIGITS for character in match[0])
            if 9 <= count <= 13:
                return Span(start - (text[start - 1 : start] == "("), match.end(), "phone")
    return None


def _iban(text: str, start: int) -> Span | None:
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None or _is_word(text, start - 1) or not (match := _IBAN.match(text, start, start + 2 * length)):
        return None
    taken, at = 0, start
    for at in range(start, match.end()):
        taken += text[at].isalnum()
        if taken == length:
            break
    if taken < length or _is_word(text, at + 1):
        return None
    letters = [letter for letter in text[start : at + 1].upper() if letter.isalnum()]
    number = "".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])
    return Span(start, at + 1, "iban") if int(number) % 97 == 1 else None


def _luhn(text: str) -> bool:
    digits = [int(character) for character in text if character in _DIGITS]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _sixes(text: str) -> Iterator[Span]:
    end, match = 0, _V6_MARK.search(text)
    while match:
        start = match.start()
        first = start
        while first > max(end, start - 4) and text[first - 1] in _HEX:
            first -= 1
        whole = _V6.match(text, first)
        after = whole.end() if whole else match.end()
        if (
            whole
            and after - first <= 45
            and not _is_word(text, first - 1)
            and text[first - 1 : first] not in (":", ".")
        ):
            written = whole[0].rstrip(":") if whole[0].endswith(":") and not whole[0].endswith("::") else whole[0]
            last = first + len(written)
            if not _is_word(text, last) and any(c in _DIGITS for c in written) and _tells(written):
                yield Span(first, last, "ip")
                end = last
        match = _V6_MARK.search(text, max(after, match.start() + 1))


_HEX: Final = frozenset("0123456789abcdefABCDEF")


def _tells(address: str) -> bool:
    """Whether it is an address, and one that says something about somebody."""
    try:
        read = ip_address(address)
    except ValueError:
        return False
    return not read.is_loopback and not read.is_unspecified and address != "255.255.255.255"


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


# --- secrets ----------------------------------------------------------------------------------------------------------


def _secrets(text: str, data: bytes) -> Iterator[Span]:
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    marks = data.translate(_WORDS)
    start = marks.find(_RUN)
    while start >= 0:
        end = marks.find(b" ", start + _SHORTEST)
        end = len(text) if end < 0 else end
        if end - start <= _LONGEST and _is_secret(text, start, end):
            yield Span(start, end, "secret")
        start = marks.find(_RUN, end)
    lowered = data.lower()
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            match = None
            if name != b"key" or lowered.endswith(_KEY_BEFORE, max(0, at - 8), at):
                match = _ASSIGNED.match(text, at + len(name))
            plain = _LETTERS if name.startswith(b"p") else _PLAIN
            if match and (value := match[2] if match[1] else match[2].rstrip(".")) and not plain.fullmatch(value):
                yield Span(match.start(2), match.start(2) + len(value), "secret")
            at = lowered.find(name, at + len(name))


def _is_secret(text: str, start: int, end: int) -> bool:
    if text[start - 1 : start] == " " and text[max(0, start - 7) : start].lower() == _BEARER:
        return True
    word = text[start:end]
    # Most long words are names in code: they have no digit, and do not begin as keys do.
    if (word[:2].lower() not in KEY_BEGINNINGS and not _A_DIGIT.search(word)) or _OURS.fullmatch(word):
        return False
    return is_secret_word(word, before=text[max(0, start - 8) : start])


def _web_tokens(text: str) -> Iterator[Span]:
    at = text.find("eyJ")
    while at >= 0:
        match = None if _is_word(text, at - 1) or text[at - 1 : at] == "-" else _JWT.match(text, at)
        if match:
            yield Span(at, match.end(), "jwt")
        at = text.find("eyJ", match.end() if match else at + 3)


def _private_keys(text: str) -> Iterator[Span]:
    end = 0
    for match in _PEM.finditer(text):
        if match.start() >= end:
            last = text.find("-----END ", match.end())
            close = text.find("-----", last + 9) if last >= 0 else -1
            end = close + 5 if close >= 0 else len(text)  # cut off: the rest is the key
            yield Span(match.start(), end, "secret")
