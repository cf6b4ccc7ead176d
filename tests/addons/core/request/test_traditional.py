"""Traditional characters for the cues: one list of words serves both scripts."""

from switchman.addons.core.request.traditional import simplified


def test_the_same_word_in_both_scripts() -> None:
    """Character by character, the same length; other text is left alone."""
    assert simplified("請總結這篇報導的重點") == "请总结这篇报导的重点"
    assert simplified("Python的list，123") == "Python的list，123"
    assert all(len(one) == 1 for one in map(simplified, "語頁龜"))
