"""How long redaction takes: scripts/bench/redaction [--json]

Of 100 kB of prompt: this tree's own code and its Markdown, as agents send them; with all patterns, and with a list of
5,000 words besides; the same with a secret in each 400 characters; and the way back, of an answer that repeats them all
in pieces of 20 characters. Aim: less than 4 ms of CPU time for 100 kB of code or prose, with all patterns. So that
machines can be compared, each figure is also given as a multiple of a fixed piece of Python work.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path

from switchman.addons.core.texts.redaction.finding import KINDS
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor
from switchman.addons.core.texts.redaction.restoring import Restorer, Tail
from switchman.addons.core.texts.redaction.words import Words

AIM_MS = 4.0
LENGTH = 100_000
ROUNDS = 60
ROOT = Path(__file__).parents[2]
SECRETS = ("jane{n}@example.org", "sk-proj-aB3dE5fG7hI9jK1l{n:04}", "10.1.{n}.7", "+49 30 12345{n:03}")


def cpu_ms(work: Callable[[], object]) -> float:
    """The median CPU time of `work` in this thread: another process's turn is not counted."""
    took = []
    for _ in range(ROUNDS):
        began = time.thread_time_ns()
        work()
        took.append(time.thread_time_ns() - began)
    return sorted(took)[ROUNDS // 2] / 1e6


def unit_of_work() -> int:
    """About a tenth of a millisecond of plain Python."""
    return sum(number * number for number in range(1_500))


def texts() -> dict[str, str]:
    code = "\n".join(path.read_text() for path in sorted((ROOT / "addons").rglob("*.py")))[:LENGTH]
    prose = "\n".join(path.read_text() for path in sorted(ROOT.glob("*.md")))[:LENGTH]
    parts = [code[at : at + 400] + SECRETS[at // 400 % 4].format(n=at // 400) for at in range(0, LENGTH, 400)]
    return {"code": code, "prose": prose, "code with 250 secrets": "\n".join(parts)[:LENGTH]}


def answer_of(redactor: Redactor, text: str) -> Callable[[], None]:
    said = redactor.text(text)
    pieces = [said[at : at + 20] for at in range(0, len(said), 20)]

    def restore() -> None:
        tail = Tail(Restorer(redactor.originals))
        for piece in pieces:
            tail.feed(piece)
        tail.end()

    return restore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    words = Words(f"Name{number} Surname{number}" for number in range(5_000))
    gc.disable()
    unit = cpu_ms(unit_of_work)
    figures: dict[str, float] = {}
    for name, text in texts().items():
        for with_words in (None, words):
            called = f"{name}{', 5,000 words' if with_words else ''}"
            figures[called] = cpu_ms(lambda: Redactor(Redact(KINDS, with_words), b"k").text(text))  # noqa: B023
        redactor = Redactor(Redact(KINDS), b"k")
        if redactor.text(text) != text:
            figures[f"{name}, back in 5,000 pieces"] = cpu_ms(answer_of(redactor, text))
    if options.json:
        print(json.dumps({name: {"ms": ms, "units": ms / unit} for name, ms in figures.items()}, indent=2))
        return
    for name, ms in figures.items():
        said = f"  aim {AIM_MS:g} ms" if name in ("code", "prose") else ""
        print(f"{name:<44}{ms:8.2f} ms{ms / unit:10.1f} units{said}")


if __name__ == "__main__":
    main()
