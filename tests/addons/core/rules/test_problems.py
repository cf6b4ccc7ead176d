"""Problems read as compilers' messages do: file:line:column: key: message."""

from switchman.addons.core.rules.problems import Problem, RulesError, hint


def test_a_problem_is_one_line() -> None:
    """The place, the key, the message; the place is only the file where there is no line."""
    assert str(Problem("r.yaml", 3, 7, "servers.a", "expected text")) == "r.yaml:3:7: servers.a: expected text"
    assert str(Problem("r.yaml", 0, 0, "", "there is no such file")) == "r.yaml: there is no such file"


def test_an_error_lists_its_problems_in_file_order() -> None:
    """All of them, sorted by place."""
    error = RulesError([Problem("r", 9, 1, "b", "two"), Problem("r", 2, 1, "a", "one")])
    assert str(error) == "r:2:1: a: one\nr:9:1: b: two"


def test_hints_name_what_is_near_and_nothing_else() -> None:
    """A typo gets the word that was meant; something quite different gets no guess."""
    assert hint("ulr", ["url", "dialect"]) == "; did you mean 'url'?"
    assert hint("zzz", ["url", "dialect"]) == ""
