"""Tokens of consumer subscriptions, by their form: the accounts of persons, which their terms do not let be pooled.

Forms: Claude Code's OAuth tokens (`claude setup-token`) begin with sk-ant-oat or sk-ant-ort; ChatGPT's are JWTs issued
by auth.openai.com, its session cookie is an encrypted JWT (five parts, `"alg":"dir"`), and its sessions begin with
sess-; Google's OAuth tokens begin with ya29. or 1//; GitHub's of a person (Copilot) with gho_, ghu_ or ghr_.
"""

from __future__ import annotations

import base64
import json
from typing import Final

_BEGINNINGS: Final = (
    ("sk-ant-oat", "an OAuth token of a Claude subscription"),
    ("sk-ant-ort", "an OAuth token of a Claude subscription"),
    ("sk-ant-sid", "a session of claude.ai"),
    ("sess-", "a session of ChatGPT"),
    ("ya29.", "an OAuth token of a Google account"),
    ("1//", "an OAuth token of a Google account"),
    ("gho_", "an OAuth token of a GitHub account"),
    ("ghu_", "an OAuth token of a GitHub account"),
    ("ghr_", "an OAuth token of a GitHub account"),
)
# In the payload of a JWT: who issued it, or a claim of theirs.
_ISSUERS: Final = ("openai.com", "chatgpt.com", "claude.ai", "anthropic.com", "accounts.google.com", "github.com")


def subscription(key: str) -> str | None:
    """What a key is that looks like the token of a subscription; None for any other."""
    key = key.strip()
    token = key.rpartition(" ")[2]  # with or without a scheme
    for beginning, what in _BEGINNINGS:
        if token.startswith(beginning):
            return what
    parts = token.split(".")
    if not token.startswith("eyJ") or len(parts) not in (3, 5):
        return None
    if len(parts) == 5:
        return "an encrypted token of a session, as ChatGPT's cookie is one"
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return "a token (JWT) that cannot be read"
    if not isinstance(payload, dict):
        return "a token (JWT) that cannot be read"
    said = f"{payload.get('iss', '')} {' '.join(map(str, payload))}".lower()
    return "a token (JWT) of an account" if any(issuer in said for issuer in _ISSUERS) else None
