"""How a WebSocket ended: what the record says."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.admission.ending import Ending, passed


@pytest.mark.parametrize(
    ("ending", "outcome", "error"),
    [
        (Ending("client", 1000), "ok", None),
        (Ending("client", 4000, "x"), "ok", None),
        (Ending("client"), "cancelled", "The client broke the WebSocket's connection off, without a closing frame."),
        (Ending("server", 1000, "done"), "ok", None),
        (Ending("server", 1001), "ok", None),
        (Ending("server", 1005), "ok", None),
        (Ending("server", 1011, "full"), "stream_error", "The server closed the WebSocket with 1011: full."),
        (Ending("server"), "stream_error", "The server broke the WebSocket's connection off, without a closing frame."),
        (
            Ending("router", 1009, "Too large.", guilty="client"),
            "refused",
            "The router closed the WebSocket with 1009 for what the client sent: Too large.",
        ),
        (
            Ending("router", 1002, "Odd.", guilty="server"),
            "stream_error",
            "The router closed the WebSocket with 1002 for what the server sent: Odd.",
        ),
        (Ending("router", 1001, "Silent.", is_idle=True), "ok", None),
        (Ending("router", 1001, "Stopped."), "stream_error", "The router closed the WebSocket with 1001: Stopped."),
    ],
)
def test_an_end_says_what_the_request_came_to(ending: Ending, outcome: str, error: str | None) -> None:
    """A client may close as it likes; a server's codes of success are few."""
    assert (ending.outcome, ending.error) == (outcome, error)


def test_a_sentence_is_there_for_every_end() -> None:
    """The trace has it also where all went well."""
    assert Ending("client", 1005).sentence == "The client closed the WebSocket without a code."
    assert (Ending("client", 4000, "x").fact, Ending("client", 4000, "x").said) == (
        "The client closed the WebSocket with 4000.",
        "x",
    )
    router = Ending("router", 1001, "Stopped.")
    assert (router.fact, router.said) == (router.sentence, "")
    assert passed(1, 5, "client") == "1 message of 5 bytes from the client"
    assert passed(2, 0, "server") == "2 messages of 0 bytes from the server"
