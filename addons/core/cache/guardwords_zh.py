"""As guardwords.py, for Chinese: courtesies, and the ways to ask the same, by runs of characters."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`from=to`, in order; `to` may be nothing."""
    return tuple((phrase, meaning) for phrase, _, meaning in (pair.partition("=") for pair in text.split()))


OPENERS: Final = _words(
    """
    可不可以帮我 我想问一下 麻烦问一下 麻烦你帮我 能不能帮我 请问一下 我想问问 想问一下 我想知道
    请告诉我 请你帮我 你能帮我 可以帮我 问一下 告诉我 请帮我 请帮忙 能帮我 可以请 麻烦 请问 帮我
    帮忙 你好 您好 拜托 劳驾 请 嗨
    """
)
# Openers that form a yes-or-no question: the 吗 at the end is removed with them.
CAN_YOU: Final = _words("可不可以帮我 能不能帮我 你能帮我 可以帮我 能帮我 可以请")
# Openers that are words of their own too: a courtesy only before one of these characters, or before a comma.
ONLY_BEFORE: Final = dict.fromkeys(_words("你好 您好 拜托 劳驾 嗨"), "请我帮想能可麻问") | {
    "麻烦": "你您请帮给问解写告说"
}
# Words that begin with 请.
NOT_PLEASE: Final = "假客教求柬帖示愿缨战字的是和与罪辞"
# Characters after which thanks are what the ask is about.
SPOKEN_OF: Final = "说复示达译写表是用答道叫喊对和与跟讲念读把句语"
# Tasks on the very words that follow a colon.
WORD_FOR_WORD: Final = _words("翻译 译 怎么说 怎么读 怎么念 拼写 润色 改写 校对 造句 回复 重复 朗读")
CLOSERS: Final = _words(
    """
    非常感谢 谢谢你了 谢谢你 谢谢您 谢谢啦 谢谢了 拜托了 辛苦了 麻烦了 谢谢 多谢 感谢 拜托
    啊 呀 呢 哦 哈
    """
)
# Courtesies only as a sentence of their own; at the end of another they may be the question.
ALONE: Final = _words("可以吗 好吗 行吗 好不好 可不可以 你好 您好 那个 麻烦")
# Synonyms, replaced in this order.
REWRITTEN: Final = _pairs(
    """
    可不可以=能否 能不能=能否 可否=能否 是不是=是否 您=你 妳=你 臺=台 裏=裡
    为啥=为什么 为何=为什么 啥时候=什么时候 何时=什么时候 啥=什么 咋样=怎么样 咋=怎么
    如何=怎么 怎样=怎么 怎么样才能=怎么才能 哪儿=哪里 多长时间=多久 能够=能 可以=能
    有木有=有没有 有哪些=有什么 购买=买 应该=该 怎么才能=怎么 嘛=吗 俩=两个 两=二
    """
)
# "能否X" asks what "能X吗" asks.
WHETHER: Final = _pairs(
    """
    能否=能 是否=是 有没有=有 会不会=会 要不要=要 能能=能
    """
)

DIGITS: Final = {character: value for value, character in enumerate("零一二三四五六七八九")}
UNITS: Final = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 10**8}
