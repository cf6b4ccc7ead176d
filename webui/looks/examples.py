"""Commands that the empty pages offer to copy. Pure."""

from __future__ import annotations

import shlex


def example_request(proxy_url: str) -> str:
    """A curl command that sends one chat request through the router at `proxy_url`."""
    url = shlex.quote(proxy_url.rstrip("/") + "/v1/chat/completions")
    return (
        f"curl {url} \\\n"
        "  -H 'content-type: application/json' \\\n"
        """  -d '{"model": "llama3", "messages": [{"role": "user", "content": "Say hello"}]}'"""
    )
