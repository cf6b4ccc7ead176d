"""What is written down of the body that an attempt sent."""

from __future__ import annotations

import time
from typing import Any

from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.passing.conveyed import (
    AS_IT_CAME,
    BY_EDITS,
    MOST_HASHED,
    WITH_REDACTION,
    digest_of,
)
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, Exchange, Redaction
from switchman.addons.hooks.recording.conveying import how_sent
from switchman.addons.testing.samples import make_call

SERVER = Server("box", parse("http://127.0.0.1:9"))


def sent_as(rendered: Rendered | None, redaction: Any = None) -> Any:
    x = Exchange("id", 0.0, time.monotonic(), "127.0.0.1", redaction=redaction)
    return how_sent(x, Attempt(1, Candidate(SERVER, "m"), "box/m", "http://x", 0.0, 0.0, rendered=rendered))


def rendered(call: Call, model: str, dialect: Any = "openai") -> Rendered:
    return render(call, Candidate(SERVER, model), ServerProfile(dialect), Stamp("id", 0.0, "m"))


def test_what_goes_out_as_it_came_says_so() -> None:
    """A call that nothing is changed in, and what is no call."""
    assert sent_as(rendered(make_call(), "llama3")) == sent_as(None) == (AS_IT_CAME, ())


def test_edits_are_written_with_their_values() -> None:
    """The new model, and the usage that a stream is asked for."""
    sent, edits = sent_as(rendered(make_call(stream=True), "other"))
    assert sent == BY_EDITS
    assert edits == ((["model"], "other"), (["stream_options", "include_usage"], True))


def test_a_translated_body_is_known_by_its_digest() -> None:
    """No value of it is written down; one that would take long to hash has none."""
    made = rendered(make_call(), "other", "anthropic")
    assert sent_as(made) == (digest_of(made.data), None)
    long = make_call(messages=[{"role": "user", "content": "x" * MOST_HASHED}])
    assert sent_as(rendered(long, "other", "anthropic")) == (None, None)


def test_nothing_is_written_of_a_redacted_body() -> None:
    """Its edits may stand beside what was replaced."""

    class Changed:
        changed = True

    redaction: Redaction = Changed()  # type: ignore[assignment]
    assert sent_as(rendered(make_call(), "other"), redaction) == (WITH_REDACTION, None)
