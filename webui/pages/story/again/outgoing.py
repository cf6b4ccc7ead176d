"""A recorded request as it is sent once more. Pure.

It goes to the router as its client's did, with the fields of its head that are about the request (fields.py). Its
path is one of the router's: no host can be named by it.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.request.jsonedit import edit, parse
from switchman.addons.core.servers.credentials import without_secrets
from switchman.addons.store.reading.found import Content, Detail
from switchman.webui.admin.asking.sending import Outgoing
from switchman.webui.looks.marked import N_
from switchman.webui.looks.masked import masked_text
from switchman.webui.pages.story.fields import fields_of

MOST_EDITED: Final = 200_000  # bytes of a body that is offered to be edited on the page


class NotSent(ValueError):
    """It cannot be sent so; the message is for a person: `text` is marked to be translated, with its `values`."""

    def __init__(self, text: str, **values: str) -> None:
        super().__init__(text % values)
        self.text, self.values = text, values


def problem_of(detail: Detail, content: Content | None) -> str | None:
    """Why a request cannot be sent again, marked to be translated; None where it can."""
    row = detail.row
    if row.method != "POST" or not row.path.startswith("/"):
        return N_("Only what was posted can be sent again.")
    if content is None or content.info.state not in ("kept", "none"):
        return N_("Its body is not kept, so there is nothing to send.")
    if content.info.truncated:
        return N_("Only the beginning of its body is kept, so there is nothing whole to send.")
    return None


def text_of(detail: Detail, body: bytes) -> str | None:
    """The body as text that can be edited; None where it is none, or is packed, too long, or has a credential in it."""
    if any(
        name.lower() == "content-encoding" and value.lower() != "identity" for name, value in detail.request_headers
    ):
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if len(body) <= MOST_EDITED and "\0" not in text and masked_text(text) == text else None


def outgoing(detail: Detail, body: bytes, edited: str | None, target: str, cached: bool) -> Outgoing:
    """The request that goes out. `edited`: the body as a form has it, None for the body as it is. `target`: the model
    to ask for, "" for the one it asks for. `cached`: an answer that the router has kept is good enough.

    Raises NotSent.
    """
    row, data = detail.row, body
    if edited is not None:
        plain = edited.replace("\r\n", "\n")  # as a form writes line ends
        data = body if plain == body.decode().replace("\r\n", "\n") else plain.encode("utf-8", "surrogatepass")
    if target:
        data = with_model(data, target)
    fields = fields_of(detail.request_headers)
    if not cached:
        fields = (*fields, ("x-switchman-cache", "bypass"))
    return Outgoing(row.method, without_secrets(row.path), fields, data)


def with_model(body: bytes, model: str) -> bytes:
    """The body with another model; nothing else of it changes. Raises NotSent."""
    try:
        text = body.decode()
        obj, spans = parse(text)
        if obj.get("model") == model:
            return body
        return edit(text, {("model",): model}, spans).encode()
    except (ValueError, RecursionError) as error:
        told = N_("The body names no model that could be another one: %(why)s")
        raise NotSent(told, why=str(error)[:200]) from None
