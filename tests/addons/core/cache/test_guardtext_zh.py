"""Chinese as the guards compare it: courtesies, ways to ask, numerals, and what must stay apart."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchman.addons.core.cache.guardtext_zh import chinese


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("请问天为什么是蓝的", "天为什么是蓝的"),
        ("写诗，谢谢", "写诗，"),
        ("写诗\n谢谢", "写诗\n"),
        ("写诗呢哦", "写诗"),
        ("你好，请写诗", "，写诗"),
        ("你好吗", "你好吗"),
        ("写诗，好吗", "写诗，"),
        ("好吗", ""),
        ("请", ""),
        ("谢谢谢谢", ""),
        ("请假怎么请", "请假怎么请"),
        ("请的人", "请人"),
        ("麻烦是什么意思", "麻烦是什么意思"),
        ("麻烦帮我写诗", "写诗"),
        ("请你说一下你的名字", "说你名字"),
        ("请你们说", "你们说"),
        ("请你说", "你说"),
        ("你能帮我写诗吗", "写诗"),
        ("怎么说谢谢", "怎么说谢谢"),
    ],
)
def test_courtesies(text: str, bare: str) -> None:
    """They go at both ends of a sentence, unless they are words of their own, or what is asked about."""
    assert chinese(text) == bare


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("翻译：谢谢", "翻译：谢谢"),
        ("翻译成英语：谢谢你。谢谢", "翻译成英语：谢谢你。谢谢"),
        ("翻译成英语：今天天气很好我们去公园玩吧。谢谢", "翻译成英语：今天天气很好我们去公园玩吧"),
        ("问题：请问几点", "问题：请问几点"),
        ("问题：几点。请写诗", "问题：几点。写诗"),
    ],
)
def test_what_follows_a_colon(text: str, bare: str) -> None:
    """Stays as it is written; all the rest too where words are asked about, but for thanks after a longer text."""
    assert chinese(text) == bare


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Python的书", "Python书"),
        ("学 Python 的书", "学Python书"),
        ("我的目的是什么", "我目的是什么"),
        ("的士多少钱", "的士多少钱"),
        ("两的书", "2的书"),
        ("看一下书", "看书"),
        ("等一下子", "等1下子"),
        ("真的", "真的"),
    ],
)
def test_small_words(text: str, bare: str) -> None:
    """的 between two words and 一下 after a verb go, but not where they are a part of a word."""
    assert chinese(text) == bare


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("能不能用卡", "可以用卡吗"),
        ("能否用卡", "能用卡吗"),
        ("是不是他", "是他吗"),
        ("有没有书", "有书吗"),
        ("你会不会写", "你会写吗"),
        ("什么是爱", "爱是什么"),
        ("如何写诗", "怎么写诗"),
        ("为啥下雨", "为什么下雨"),
        ("哪儿有书", "哪里有书"),
        ("您住哪里", "你住哪里"),
    ],
)
def test_ways_to_ask_the_same(text: str, same: str) -> None:
    """Whichever is written, one is compared."""
    assert chinese(text) == chinese(same)


def test_what_alone_is_no_question_of_what_something_is() -> None:
    """什么是 with nothing behind it stays."""
    assert chinese("什么是") == "什么是"


@pytest.mark.parametrize(
    ("numeral", "number"),
    [
        ("零", "0"),
        ("十", "10"),
        ("十五", "15"),
        ("二十", "20"),
        ("一百零五", "105"),
        ("二百五十", "250"),
        ("两万三千", "23000"),
        ("三千五百万零二十", "35000020"),
        ("一亿零五", "100000005"),
        ("二零二四", "2024"),
        ("一百二", "一百二"),  # 120
        ("百", "百"),
        ("万一", "万一"),  # just in case
        ("十七八", "十七八"),
        ("三五百", "三五百"),
        ("两三", "二三"),
        ("一二三四五六七八九十一二三四五", "一二三四五六七八九十一二三四五"),
    ],
)
def test_numerals(numeral: str, number: str) -> None:
    """Those of which there is one reading become digits, and what may be another number stays."""
    assert chinese(f"{numeral}个") == f"{number}个"


@pytest.mark.parametrize("text", ["", "hello world", "one, two. three!", "1 2 3", "日本語のテスト？"])
def test_other_texts_stay(text: str) -> None:
    """What has no cue of Chinese is given back as it came."""
    assert chinese(text) == text


@settings(max_examples=100, deadline=None)
@example("零万万")
@example("一万万")
@given(st.text(alphabet=st.sampled_from("请谢你好吗的一下两百万零能不有没什么是：:。，\n ab"), max_size=40))
def test_any_text_has_a_form(text: str) -> None:
    """It is never longer than what it says, but for numbers (一万万 is nine digits) and a 吗."""
    assert len(chinese(text)) <= 4 * len(text) + 2


@pytest.mark.parametrize("unit", ["谢谢", "一", "请", "的", "：", "。", "啊", "你好", "翻译：谢谢。"])
def test_long_texts_take_little_time(unit: str) -> None:
    """Ten thousand of anything are read in less than two seconds."""
    began = time.process_time()
    chinese(unit * 10_000)
    assert time.process_time() - began < 2
