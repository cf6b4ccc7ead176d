"""Secrets in bodies, for the pages: `api_key` and its like as fields of JSON. What is stored, and one body that is
downloaded, is whole.

Pure. Headers are masked before they are stored; a body is kept to the byte, so here it is masked as it is shown.
"""

from __future__ import annotations

import re
from typing import Any

from switchman.addons.core.texts.masking import is_secret_name, mask_secret

# Words that name a credential in a header and mostly something else in a body.
HARMLESS = frozenset({"key", "signature", "prompt_cache_key", "stop_token", "cookie"})
# A member whose value is a string, in JSON or in JSON that is itself a string in JSON. It ends at the first quote or
# backslash, so every character is looked at once.
_MEMBER = re.compile(r'(\\{0,7}"([\w.-]{1,64})\\{0,7}"\s{0,8}:\s{0,8}\\{0,7}")([^"\\]+)')
# The same for a value with escaped characters in it, outside of JSON in JSON.
_ESCAPED = re.compile(r'("([\w.-]{1,64})"\s{0,8}:\s{0,8}")([^"\\]*\\.(?:[^"\\]|\\.)*)', re.DOTALL)


def is_secret_field(name: str) -> bool:
    """Whether a body's field of this name holds a credential."""
    return name.lower() not in HARMLESS and is_secret_name(name)


def masked_text(text: str) -> str:
    """JSON, or what looks like it, with the values of secret fields masked."""
    return _MEMBER.sub(_mask_member, _ESCAPED.sub(_mask_member, text))


def _mask_member(match: re.Match[str]) -> str:
    return match[1] + mask_secret(match[3]) if is_secret_field(match[2]) else match[0]


def masked_value(name: str, value: Any) -> Any:
    """A field's value with every credential in it masked."""
    if isinstance(value, str):
        return mask_secret(value) if is_secret_field(name) else value
    if isinstance(value, dict):
        return {key: masked_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_value(name, item) for item in value]
    return value
