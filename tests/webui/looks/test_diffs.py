"""Two texts as lines that go and come."""

from __future__ import annotations

import random
import time

from switchman.webui.looks.diffs import counts, diff_lines


def test_what_changes_with_some_lines_around() -> None:
    """Numbered in both texts; what is far away is left out, and counted."""
    before = "".join(f"{number}\n" for number in range(1, 21))
    after = before.replace("10\n", "ten\nmore\n").replace("20\n", "")
    found = diff_lines(before, after)
    assert [(line.kind, line.old, line.new, line.text) for line in found] == [
        ("gap", None, None, "6 lines that stay"),
        ("same", 7, 7, "7"), ("same", 8, 8, "8"), ("same", 9, 9, "9"),
        ("gone", 10, None, "10"), ("come", None, 10, "ten"), ("come", None, 11, "more"),
        ("same", 11, 12, "11"), ("same", 12, 13, "12"), ("same", 13, 14, "13"),
        ("gap", None, None, "3 lines that stay"),
        ("same", 17, 18, "17"), ("same", 18, 19, "18"), ("same", 19, 20, "19"),
        ("gone", 20, None, "20"),
    ]  # fmt: skip
    assert counts(found) == (2, 2)
    assert diff_lines(before, before) == [] and diff_lines("", "a")[0].kind == "come"


def _applied(before: str, after: str) -> None:
    """What stays and goes is the text of before, what stays and comes that of after, and gaps are lines that stay."""
    lines, was, now = diff_lines(before, after), before.splitlines(), after.splitlines()
    assert all(was[one.old - 1] == one.text for one in lines if one.old is not None)
    assert all(now[one.new - 1] == one.text for one in lines if one.new is not None)
    gone = {one.old for one in lines if one.kind == "gone"}
    come = {one.new for one in lines if one.kind == "come"}
    kept = [line for at, line in enumerate(was, 1) if at not in gone]
    assert kept == [line for at, line in enumerate(now, 1) if at not in come]


def test_texts_that_are_slow_to_compare() -> None:
    """A few lines again and again, all in another order, nothing but line ends: some of it may go and come as a whole,
    and no person can keep the dashboard busy for minutes."""
    many = 20_000
    began = time.process_time()
    _applied("\n".join(str(at % 7) for at in range(many)), "\n".join(str(at % 5) for at in range(many)))
    _applied("\n".join(map(str, range(many))), "\n".join(map(str, reversed(range(many)))))
    _applied("\n" * many, "x\n" + "\n\n" * many)
    assert time.process_time() - began < 20  # at 2,000 lines it was a minute and a half


def test_two_small_changes_far_from_each_other() -> None:
    """In a long text, they are shown as small as in a short one."""
    lines = [f"line {at}" if at % 3 else "" for at in range(12_000)]
    changed = ["first", *lines[:6_000], "middle", *lines[6_000:9_000], *lines[9_001:], "last"]
    found = diff_lines("\n".join(lines), "\n".join(changed))
    assert [one.text for one in found if one.kind in ("come", "gone")] == ["first", "middle", "", "last"]
    _applied("\n".join(lines), "\n".join(changed))


def test_any_two_texts() -> None:
    """Also where the bound is reached in the middle."""
    rng = random.Random(11)
    for few in (2, 5, 40, 3_000):
        texts = ["\n".join(str(rng.randrange(few)) for _ in range(rng.randrange(900))) for _ in range(2)]
        _applied(*texts)
