"""Sentences of the rooms below in the languages that there are."""

from __future__ import annotations

import time

from switchman.webui.languages.catalogs import catalog_of
from switchman.webui.languages.sentences import sentences_of
from switchman.webui.looks.otherwords import ROOM


def test_a_text_of_very_many_messages_takes_no_long_time() -> None:
    """A server's error that has hundreds of our own sentences in it took minutes; it is shown as it is."""
    messages = [str(one.id) for one in catalog_of("zh_Hans") if one.context == ROOM]
    began = time.process_time()
    for joiner in (" ", ": ", ". "):
        text = joiner.join(messages)[:7_900]
        assert sentences_of("zh_Hans").told(text) == text
    assert time.process_time() - began < 10


def test_a_long_sentence_of_the_router_is_translated() -> None:
    """What is truly said is far below the bound: a list of fifteen changes, each with its reason."""
    text = "; ".join(f"input.store_{n} was dropped: the ollama dialect has no place for it" for n in range(15))
    told = sentences_of("zh_Hans").told(text)
    assert "was dropped" not in told
    assert told != text
