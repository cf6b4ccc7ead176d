"""The language a person asks in: by script, and between Latin languages by their small words.

    language_of(text) -> str    ISO 639-1 code, "und" where there are no letters

Fenced code does not count. Where scripts are mixed, Han, kana and Hangul weigh three Latin letters each (a character
is about a syllable), so 把这段话翻译成英文 before an English sentence is Chinese if it is not lost beside it.
A few hundred characters from the start and the end are looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_HEAD: Final = 400
_TAIL: Final = 200

# Where each script begins and ends, in rising order.
_RANGES: Final = (
    (0x0041, 0x005A, "latin"),
    (0x0061, 0x007A, "latin"),
    (0x00C0, 0x024F, "latin"),
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "cyrillic"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x06FF, "arabic"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0E00, 0x0E7F, "th"),
    (0x1100, 0x11FF, "ko"),
    (0x1E00, 0x1EFF, "latin"),
    (0x3040, 0x30FF, "kana"),
    (0x3400, 0x4DBF, "han"),
    (0x4E00, 0x9FFF, "han"),
    (0xAC00, 0xD7A3, "ko"),
)
_WEIGHT: Final = {"han": 3, "kana": 3, "ko": 3}

_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d_]+")

_SMALL_WORDS: Final = {
    "en": "the of and to in is it you that for what how on are with can i my me this do be write please translate"
    " summarize explain what's tell say give",
    "es": "el la los las de que y en un una por para con es cómo qué está mi se del como puedo hola al lo más quiero",
    "fr": "le la les des de et un une est que qui pour dans je vous comment avec ce pas sur bonjour mon quelle du au",
    "de": "der die das und ist nicht ein eine ich wie zu mit von für auf den was kann bitte mir es sind im einen",
    "pt": "o os as de que e em um uma para com não é como você meu por está do da no na qual olá mais quero",
    "it": "il lo gli di che e un una per con non è come sono mi della del le qual ciao questo nel la perché cosa",
    "nl": "de het een en van is dat ik niet wat hoe te op voor met zijn je kan naar mijn hallo er ook maar",
    "sv": "och att det en ett är jag som på för hur vad med inte av den till har kan du mig",
    "da": "og at det en et er jeg som på for hvordan hvad med ikke af den til har kan du mig",
    "pl": "i w z na do jest się nie to jak co że dla czy ja mi po od jakie proszę",
    "cs": "a v na je se že to jak co pro s do ne jsem jaký prosím z ale mi",
    "tr": "ve bir bu için ne nasıl mi da de çok ile var ben bana misin lütfen olan nedir",
    "id": "dan yang di untuk dengan apa bagaimana saya ini itu dari ke tidak adalah bisa tolong pada",
    "vi": "là và của cho tôi một không có những được làm thế nào bạn các này trong gì",
    "fi": "ja on ei se että miten mikä minä voi mutta kun tai olen ovat",
    "hu": "a az és hogy nem egy is mi mit hogyan kell van meg kérem",
    "ro": "și de la în un o este cu pe care nu ce cum pentru sunt mi te rog",
}
_BY_WORD: Final = {
    word: tuple(code for code, words in _SMALL_WORDS.items() if word in words.split())
    for word in {word for words in _SMALL_WORDS.values() for word in words.split()}
}
_UKRAINIAN: Final = frozenset("іїєґ")
_PERSIAN: Final = frozenset("پچژگ")


def _script(character: str) -> str:
    code = ord(character)
    for first, last, script in _RANGES:
        if code <= last:
            return script if code >= first else ""
    return ""


def language_of(text: str) -> str:
    """The language the text is asked in, as an ISO 639-1 code; "und" where it has no letters."""
    if len(text) > 4 * (_HEAD + _TAIL):
        text = text[: 2 * _HEAD] + "\n" + text[-2 * _TAIL :]
    if "```" in text:
        text = _FENCE.sub(" ", text) or text
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + "\n" + text[-_TAIL:]
    if text.isascii():
        return _latin(text)
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        if script := _script(character):
            counts[script] += number * _WEIGHT.get(script, 1)
    if not counts:
        return "und"
    if counts["kana"] * 5 >= counts["han"]:  # Japanese is written with both
        counts["kana"] += counts.pop("han", 0)
    best = max(counts, key=lambda script: counts[script])
    return _LANGUAGES[best](text) if best in _LANGUAGES else best


def _latin(text: str) -> str:
    """English wherever it is as likely as another: most prompts are, and code has stray letters of all of them."""
    points: Counter[str] = Counter()
    words = Counter(_WORD.findall(text.lower()))
    for word in words:
        spoken = _BY_WORD.get(word, ())
        for code in spoken:
            points[code] += 12 // len(spoken) if len(word) > 1 else 1
    if not words:
        return "und"
    best = max(points, key=lambda code: points[code], default="en")
    return best if points[best] > points["en"] and points[best] >= 6 else "en"


def _cyrillic(text: str) -> str:
    return "uk" if _UKRAINIAN & set(text.lower()) else "ru"


def _arabic(text: str) -> str:
    return "fa" if _PERSIAN & set(text) else "ar"


_LANGUAGES: Final = {
    "latin": _latin,
    "cyrillic": _cyrillic,
    "arabic": _arabic,
    "han": lambda text: "zh",
    "kana": lambda text: "ja",
}
