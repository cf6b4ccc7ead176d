"""YAML and JSON are read with the position of every key and value; faults are found all at once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import MAX_VALUES, dotted, load

YAML_TEXT = """\
servers:
  fast-box: "http://h:8000"   # a comment
routes:
  - match: {model: gpt-4}
    priority: 7
"""


def fault(text: str) -> str:
    """The first problem of a text that stops the reader, as people see it."""
    with pytest.raises(RulesError) as caught:
        load(text, "f.yaml")
    return str(caught.value.problems[0])


def test_values_and_keys_have_their_places() -> None:
    """Lines and columns count from 1, for mappings in either style and entries of lists."""
    document = load(YAML_TEXT, "f.yaml")
    assert document.data == {
        "servers": {"fast-box": "http://h:8000"},
        "routes": [{"match": {"model": "gpt-4"}, "priority": 7}],
    }
    assert document.keys[("servers", "fast-box")] == (2, 3)
    assert document.values[("servers", "fast-box")] == (2, 13)
    assert document.values[("routes", 0)] == (4, 5)
    assert document.keys[("routes", 0, "match", "model")] == (4, 13)
    assert document.values[("routes", 0, "priority")] == (5, 15)


def test_a_problem_below_the_text_is_placed_at_what_is_around_it() -> None:
    """A missing key is reported where the mapping that lacks it begins."""
    problem = load(YAML_TEXT, "f.yaml").problem(("servers", "fast-box", "url", "x"), "is missing")
    assert str(problem) == "f.yaml:2:3: servers.fast-box.url.x: is missing"


def test_json_is_read_by_its_content() -> None:
    """Tabs, escapes and all, with the same positions."""
    document = load('{\n\t"servers": {"a\\/b": "caf\\u00e9"},\n\t"n": [1.5, true, null]\n}', "routes.json")
    assert document.data == {"servers": {"a/b": "café"}, "n": [1.5, True, None]}
    assert document.keys[("servers",)] == (2, 2)


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53), 2**53)
            | st.text(st.characters(codec="ascii"), max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    ),
    st.sampled_from([None, 2, "\t"]),
)
@settings(max_examples=80, deadline=None)
def test_every_json_object_means_what_json_says(value: dict[str, object], indent: int | str | None) -> None:
    """What json.dumps writes is read back as the same value, in every style of indentation."""
    assert load(json.dumps(value, indent=indent), "f.json").data == value


def test_an_empty_text_is_nothing() -> None:
    """No text, only comments, and a byte order mark alone hold no value."""
    assert load("", "f").data is None
    assert load("# nothing yet\n", "f").data is None
    assert load("\ufeff", "f").data is None


def test_a_byte_order_mark_is_left_off() -> None:
    """Editors on Windows write one."""
    assert load("\ufeffservers: {}\n", "f").data == {"servers": {}}


def test_all_duplicate_keys_are_found() -> None:
    """Each is a problem that says where the first one is; JSON and YAML alike."""
    document = load("a: 1\nb: {c: 1, c: 2}\na: 2\n", "f.yaml")
    assert [str(problem) for problem in document.problems] == [
        "f.yaml:2:11: b.c: this key is already on line 2",
        "f.yaml:3:1: a: this key is already on line 1",
    ]
    assert load('{"a": 1, "a": 2}', "f.json").problems


def test_keys_are_names_whatever_yaml_takes_them_for() -> None:
    """A model called 7b, 405, yes or null keeps its name."""
    assert load("405: 1\nnull: 2\ntrue: 3\n1.50: 4\n", "f").data == {"405": 1, "null": 2, "true": 3, "1.50": 4}


def test_anchors_and_merges_work() -> None:
    """`&x`, `*x` and `<<: *x` are how people avoid writing things twice; the mapping's own keys win."""
    document = load("base: &b {url: u, connect: 1}\nserver:\n  connect: 2\n  <<: *b\nother: *b\n", "f")
    assert document.data["server"] == {"url": "u", "connect": 2}
    assert document.data["other"] == {"url": "u", "connect": 1}
    assert document.values[("server", "connect")] == (3, 12)
    assert not document.problems


def test_faults_that_stop_the_reader_have_a_place() -> None:
    """Syntax errors, unknown anchors, a second document and forbidden characters."""
    assert fault("a: [1,\n").startswith("f.yaml:2:1: not valid YAML or JSON: ")
    assert fault("a: 1\nb: *nope\n").startswith("f.yaml:2:4: not valid YAML or JSON: ")
    assert fault("a: 1\n---\nb: 2\n").startswith("f.yaml:2:1: not valid YAML or JSON: ")
    assert fault("a: 1\nb: \x01\n") == "f.yaml:2:4: a character that YAML does not allow"
    assert fault("[" * 5000) == "f.yaml:1:65: nested too deeply: more than 64 levels"


def test_no_fault_repeats_the_text() -> None:
    """The line around a syntax error may hold a key."""
    for text in ('a: {api_key: "sk-hunter2"\nb', "api_key: sk-hunter2: x", "api_key: 'sk-hunter2", "\x01 sk-hunter2"):
        assert "hunter2" not in fault(text)


def test_tags_run_nothing() -> None:
    """A tag that would make an object is a problem, and reading goes on."""
    document = load("a: !!python/object/apply:os.system ['true']\nb: !x y\nc: 1\n", "f.yaml")
    assert [problem.key for problem in document.problems] == ["b"]
    assert document.data["c"] == 1


def test_an_anchor_cannot_hold_itself_nor_grow_without_bound() -> None:
    """Loops and the `billion laughs` of nested anchors are problems, found in bounded time."""
    assert [problem.message for problem in load("a: &a [*a]", "f").problems] == ["an anchor that holds itself"]
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert f"more than {MAX_VALUES} values" in fault("\n".join(lines))


@pytest.mark.parametrize("text", ["a: " + "[" * 20_000, "a: " + "{a: " * 20_000, "? " * 20_000, "- " * 20_000])
def test_nesting_has_an_end(text: str) -> None:
    """The reader gives up at once, with the place; 60 levels are fine."""
    assert "nested too deeply: more than 64 levels" in fault(text)
    assert load("a: " + "[" * 60 + "]" * 60, "f.yaml").problems == ()


def test_a_file_of_very_many_values_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the rest of it is read."""
    monkeypatch.setattr("switchman.addons.core.rules.reading.yamltext.MAX_VALUES", 100)
    assert fault("a: [" + "x," * 1000 + "]") == "f.yaml:1:199: more than 100 values"


def test_paths_are_written_as_usual() -> None:
    """Dots between names, list entries in brackets from 0."""
    assert dotted(("routes", 2, "match", "model")) == "routes[2].match.model"
    assert dotted(()) == ""


def test_a_json_file_may_escape_characters_beyond_16_bits() -> None:
    """JSON writes them as two escapes; a half alone becomes the replacement character."""
    assert load(r'{"\ud83d\ude00": "\ud83d\ude00", "b": "\ud83d"}', "r").data == {
        "\U0001f600": "\U0001f600",
        "b": "\ufffd",
    }
