"""Names that look alike: which texts another reader could take for the same name."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.unambiguous.names import folded, meant_by, problem_of_name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-4o",
        "org/Model_7B:latest@x+y",
        "a name with blanks",
        "通义千问",
        "模型-7B",
        "модель",
        "مدل",
        "モデル",
        "café",  # composed
        "ñandú/ß",
        "é😀",
        "fast ⚡️",  # with a variation selector, as keyboards write it
        "👩‍💻",  # a joiner makes one emoji of two
        "<script>alert(1)</script>",
        "x" * 100_000,
    ],
)
def test_an_honest_name_is_taken(name: str) -> None:
    """In ASCII, in other letters, with an emoji."""
    assert problem_of_name(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ｂlocked", "NFKC"),
        ("blocＫed", "NFKC"),
        ("bloc\u212aed", "NFKC"),  # the Kelvin sign
        ("ﬁne", "NFKC"),
        ("cafe\u0301", "NFKC"),
        ("ba\u017fe", "NFKC"),
        ("blo\u200bcked", "cannot be seen"),
        ("blo\u2060cked", "cannot be seen"),
        ("blocked\u200d", "cannot be seen"),
        ("blocked\ufe0f", "cannot be seen"),
        ("blo\u00adcked", "cannot be seen"),
        ("\ufeffblocked", "cannot be seen"),
        ("blo\u202ecked", "cannot be seen"),
        ("blo\u3164cked", "cannot be seen"),
        ("blo\u034fcked", "cannot be seen"),
        ("cut \ud83d", "cannot be seen"),
        ("é\x00", "cannot be seen"),
        ("blocked\x00", "control"),
        ("bloc\nked", "control"),
        ("blocked\x7f", "control"),
        (" blocked", "blanks"),
        ("blocked ", "blanks"),
        (" ", "blanks"),
        ("é\u3000", "blanks"),
        ("blocked\u00a0", "blanks"),
    ],
)
def test_a_name_that_may_be_read_otherwise_is_told(name: str, why: str) -> None:
    """With the reason; where there is a canonical form, it is said."""
    problem = problem_of_name(name)
    assert problem is not None and why in problem
    assert why != "NFKC" or "which is" in problem


@pytest.mark.parametrize(
    "key", ["Model", "MODEL", "mODEL", "ｍodel", "mo\u200bdel", "model ", "\tmodel", "model\0", "mo\u00addel"]
)
def test_a_key_is_known_in_every_disguise(key: str) -> None:
    """As the most lenient reader takes it."""
    assert meant_by(key, {"model", "stream"}) == "model"


def test_go_folds_more_than_case() -> None:
    """The long s and the Kelvin sign are s and k to encoding/json."""
    assert folded("\u017ftream") == "stream" and folded("to\u212aens") == "tokens"


@pytest.mark.parametrize("key", ["model", "models", "model_id", "mod", "", "x" * 1000, "ｍ" * 1000])
def test_other_keys_mean_nothing_else(key: str) -> None:
    """Nor does the key itself, which is written as it should be."""
    assert meant_by(key, {"model"}) == ""
