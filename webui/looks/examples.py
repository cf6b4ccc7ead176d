"""Commands that the empty pages offer to copy. Pure."""

from __future__ import annotations

import json
import shlex

from switchman.addons.core.rules.ruleset import Ruleset

GUESS = "llama3"  # where no rules say what there is


def example_request(proxy_url: str, rules: Ruleset | None) -> str:
    """A curl command that sends one chat request through the router at `proxy_url`, for a model that `rules` know."""
    url = shlex.quote(proxy_url.rstrip("/") + "/v1/chat/completions")
    body = {"model": known_model(rules), "messages": [{"role": "user", "content": "Say hello"}]}
    return (
        f"curl {url} \\\n"
        "  -H 'content-type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def known_model(rules: Ruleset | None) -> str:
    """The first alias, `auto` where it leads somewhere, the first model that has facts; else a guess."""
    if rules is None:
        return GUESS
    names = [*rules.aliases, *(["auto"] if rules.auto_default else []), *rules.models]
    return next(iter(names), GUESS)
