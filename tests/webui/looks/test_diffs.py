"""Two texts as lines that go and come."""

from __future__ import annotations

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
