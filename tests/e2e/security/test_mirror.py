"""What a mirror's target gets to see: nothing that the rules keep from it, and nothing by which a client is known."""

from __future__ import annotations

import json
from typing import Any

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient

KEY = "sk-the-clients-own"
FIELDS = [("content-type", "application/json"), ("authorization", f"Bearer {KEY}"), ("cookie", f"session={KEY}"),
          ("x-own-token", KEY), ("user-agent", "its-own/1")]  # fmt: skip


def test_what_a_mirror_gets_to_see(start: Any) -> None:
    """No field and no parameter of the client's; placeholders for what is redacted; nothing at all of what is
    local_only. What the target's capture says holds for the row.
    """
    with FakeUpstream(name="main") as main, FakeUpstream(name="shadow") as shadow:
        mirror = "mirror: {target: shadow/m, share: 1}"
        proxy = start(
            f"servers: {{main: {{url: '{main.url}', dialect: openai}},\n"
            f"  inner: {{url: '{main.url}/v1', dialect: openai}},\n"
            f"  shadow: {{url: '{shadow.url}', dialect: openai, capture: metadata}}}}\n"
            "local_only: [inner]\n"
            "routes:\n"
            f"  - {{name: open, match: {{model: open}}, route: {{model: main/m, {mirror}}},\n"
            "     redact: {patterns: [email]}}\n"
            f"  - {{name: inner, match: {{model: inner}}, route: {{model: inner/m, {mirror}}}}}\n"
            f"  - {{name: bound, match: {{model: bound}}, route: {{model: main/m, local_only: true, {mirror}}}}}\n"
        )

        def ask(model: str) -> dict[str, Any]:
            asked = {"model": model, "messages": [{"role": "user", "content": "I am anna@firm.example, hello"}]}
            with RawClient(proxy.port) as raw:
                reply = raw.ask(f"/v1/chat/completions?key={KEY}&x=1", asked, headers=FIELDS)
            assert reply.status == 200, reply.body
            row: dict[str, Any] = proxy.row(id=reply.header("x-switchman-request-id"))
            return row

        for model in ("inner", "bound"):
            assert not any(line["layer"] == "mirror" for line in ask(model)["trace"])
        row = ask("open")
        (line,) = [line for line in row["trace"] if line["layer"] == "mirror"]
        other = proxy.row(id=line["earlier"]["request_id"])
        assert (other["outcome"], other["capture"], other["request"], other["response"]) == ("ok", "metadata", b"", b"")
        (seen,) = shadow.inferences
        told = json.dumps([seen.target, seen.headers], default=str) + seen.body.decode()
        for private in (KEY, "anna@firm.example", "its-own", "x-own-token", "session"):
            assert private not in told
        assert b"hello" in seen.body and "x=1" in seen.target
