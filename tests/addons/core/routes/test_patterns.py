"""Patterns of the configuration: linear in the text, bounded in size, quiet."""

import subprocess
import sys
import time

import pytest

from switchman.addons.core.routes import patterns
from switchman.addons.core.routes.patterns import LONGEST, compile_pattern, expand, is_pattern, replacement, utf8

# What hung the worker on 60 characters, and others that take exponential or cubic time in Python's engine.
HOSTILE = [
    "/^(a+)+$/", "/(a|a)*$/", "/(.*)(.*)(.*)z/", "/(a|aa)+$/", "/(a*)*b/", "/([a-z]+)*1/", "/(a?){30}a{30}/",
    "/(?:a{1,20}){1,20}$/",
    "/a.*b.*c.*d/", "/(x+x+)+y/", r"/(\w+\s*)+z/", "/.{500}z/", "/(.{0,900}a)z/", r"/\w{3,20}!/", "/a[ab]{12}c/",
    "/((a|b|.)*z?)*q/",
]  # fmt: skip
NEARLY = ["a" * 65_535 + "!", "ab" * 32_768, "é文" * 32_768, "".join("ab"[i * i % 7 % 2] for i in range(65_536))]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_takes_long_on_any_text(pattern: str) -> None:
    """A second of processor time, with much room: re would take years."""
    compiled = compile_pattern(pattern)
    for text in NEARLY:
        began = time.thread_time()
        compiled.found(text)
        assert time.thread_time() - began < 1


def test_a_hundred_patterns_on_the_longest_ask_are_cheap() -> None:
    """The ask is made bytes once (Subject.ask), and each pattern passes over it once."""
    compiled = [compile_pattern(rf"(?i)\b(?:secret{i}|geheim{i}|übung{i})\b.*z{i}") for i in range(100)]
    data = utf8("the quick brown fox, übung und mehr; " * 1800)[:LONGEST]
    began = time.thread_time()
    assert not any(one.found(data) for one in compiled)
    assert time.thread_time() - began < 2  # some 50 ms


def test_the_more_classes_a_pattern_repeats_the_less_is_searched() -> None:
    """All of the longest ask, but for patterns that RE2 may have to walk through with each byte."""
    assert compile_pattern(r"\bfoo.*bar\w+").longest == LONGEST
    assert compile_pattern("[ab]{12}").longest == LONGEST
    assert 1_000 < compile_pattern("x.{500}z").longest < 10_000


@pytest.mark.parametrize("pattern", [r"\w{40}", "((a{100}){100}){100}", "(?:a.{900}){900}", "a" * 10_001])
def test_what_is_too_large_is_refused(pattern: str) -> None:
    """Spelled out, it would take memory for each request."""
    with pytest.raises(ValueError, match=r"too large|more than 10000 characters"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^fix ", "fix this"), ("/(?i)traceback/", "TraceBack (most recent call last)"), ("foo.*bar", "foo and bar"),
        (r"\bdef \w+\(", "def run("), ("(?:red|green) apple", "a green apple"), (r"\d{3}-\d{4}", "555-1234"),
        ("(ab){3}", "ababab"), ("翻译.*英文", "请翻译成英文"), ("(a+)+", "a"), ("a?" * 12, ""),
        ("a.*b.*c.*d", "a b c d"),
    ],
)  # fmt: skip
def test_usual_patterns_are_taken(pattern: str, text: str) -> None:
    """With and without slashes."""
    assert compile_pattern(pattern).found(text)


def test_a_faulty_pattern_is_explained() -> None:
    """With its own text, and Python's words, which give the position."""
    with pytest.raises(ValueError, match=r"\(unclosed does not compile: .* position 0"):
        compile_pattern("(unclosed")
    with pytest.raises(ValueError, match=r"/\(\?=a\)b/ is refused, as patterns run in RE2: look-around"):
        compile_pattern("/(?=a)b/")


def test_patterns_are_equal_where_they_are_written_alike() -> None:
    """Rules are compared when the file is read again."""
    assert compile_pattern("/a+/") == compile_pattern("a+") != compile_pattern("a")
    assert is_pattern("/a/") and is_pattern("//") and not is_pattern("/") and not is_pattern("a/")


def test_half_a_surrogate_pair_in_a_text_does_no_harm() -> None:
    """JSON can bring one; it is read as U+FFFD, and a whole pair as its character."""
    assert compile_pattern("^x\ufffdy$").found("x\ud800y")
    assert compile_pattern("^.$").found("\ud83d\ude00")


def test_a_replacement_is_read_once() -> None:
    """Numbers and names of groups, in re's form."""
    pattern = compile_pattern(r"/g(?P<size>\d+)(x)?/", "groups")
    parts = replacement(r"l-\g<size>-\1\2-ü\\", pattern)
    groups = pattern.groups_at_start("g70é")
    assert groups is not None and expand(parts, groups) == "l-70-70-ü\\"
    with pytest.raises(ValueError, match="invalid group reference"):
        replacement(r"\3", pattern)


def test_re2_writes_nothing() -> None:
    """Neither what it refuses, nor what runs out of memory, comes to stderr."""
    code = (
        f"from {patterns.__name__} import compile_pattern\n"
        "for text in ('(?=a)', 'a{1000}{1000}', '((a{100}){100}){100}', '(', r'\\p{L}'):\n"
        "    try: compile_pattern(text)\n"
        "    except ValueError: pass\n"
        "compile_pattern('(.{0,900}a)z').found('ab' * 40_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
