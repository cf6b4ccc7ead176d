"""What the pages say, read from their source."""

from __future__ import annotations

import re

from switchman.webui.languages import messages

PART = re.compile(r"(?<!%)(?:%%)*%(?!\(\w+\)[sd]|%)")  # `%%` is a percent sign


def test_values_have_names() -> None:
    """`%s` cannot change its place in another language, and a bare % fails when the page is shown."""
    for path, message in messages.of_pages():
        for text in (message,) if isinstance(message, str) else message:
            assert not PART.search(text), (path, text)
