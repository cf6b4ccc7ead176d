"""Lists how an attempt's request differs from the client's, a short phrase for each change, for the request's page.

It leaves out the address, which differs for every attempt, and what only frames the body (host, length, encoding).
"""

from __future__ import annotations

from collections.abc import Iterator

from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.request.call import Call
from switchman.addons.flow.exchange import Attempt

MOST_FIELDS = 20  # named one by one; the others are counted
LONGEST_NAME = 200  # characters of a model's name


def changes(call: Call | None, attempt: Attempt) -> tuple[str, ...]:
    """Empty where the server got what the client sent."""
    body = _in_the_body(call, attempt) if call is not None else ()
    return (*body, *_in_the_headers(attempt))


def _in_the_body(call: Call, attempt: Attempt) -> Iterator[str]:
    rendered, model = attempt.rendered, attempt.candidate.model
    if model and model != call.model:
        yield f"model: {call.model[:LONGEST_NAME] or 'none'} → {model[:LONGEST_NAME]}"
    if rendered is None:
        return
    if rendered.answer is not None:
        endpoint = rendered.endpoint
        yield f"translated: {call.dialect} {call.endpoint.path} → {endpoint.dialect} {endpoint.path}"
    yield from _edited(rendered)


def _edited(rendered: Rendered) -> Iterator[str]:
    fields = [field for field in rendered.fields if field != "model"]
    for field in fields[:MOST_FIELDS]:
        why = ", so that the stream tells its usage" if field == "stream_options.include_usage" else ""
        yield f"{field}: set{why}"
    if len(fields) > MOST_FIELDS:
        yield f"{len(fields) - MOST_FIELDS} more fields: set"


def _which(attempt: Attempt) -> str:
    """Of several keys: which, by what the rules call it."""
    keys = attempt.candidate.server.keys
    if attempt.key is None or len(keys) < 2:
        return ""
    return f", {attempt.key.label} ({keys.index(attempt.key) + 1} of {len(keys)})"


def _in_the_headers(attempt: Attempt) -> Iterator[str]:
    server = attempt.candidate.server
    if server.api_key is not None:
        yield f"credentials: the server's own{_which(attempt)}"
    elif attempt.withheld:
        yield "credentials: the client's were held back"
    if server.headers:
        yield "headers set by the rules: " + ", ".join(sorted(server.headers))
