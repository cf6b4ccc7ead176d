"""Documents in a message: what Anthropic calls `document` and `search_result`, and OpenAI `file` and `input_file`.

A document of text is text, with its title above it. A PDF goes as such between Anthropic and OpenAI; Ollama takes none.
A file by its id or URL is with its provider only, and stays as it is: it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import object_of, objects_of, present, text_of
from switchman.addons.core.dialects.neutral.form import Opaque, Part, Request, Text, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.request.call import DialectName

PDF: Final = "application/pdf"
UNNAMED: Final = "document.pdf"  # OpenAI wants a name


def with_documents(request: Request, notes: Notes) -> Request:
    """The request with its documents in the target's words, where it has some."""
    messages = (
        replace(message, parts=tuple(_part(part, notes) for part in message.parts)) for message in request.messages
    )
    return replace(request, messages=tuple(messages))


def _part(part: Part, notes: Notes) -> Part:
    if isinstance(part, ToolResult):
        content = tuple(_read(item, notes) if isinstance(item, Opaque) else item for item in part.content)
        return replace(part, content=content)
    return _read(part, notes) if isinstance(part, Opaque) else part


def _read(part: Opaque, notes: Notes) -> Opaque | Text:
    said = _words(part.value) if part.kind in ("document", "search_result") else None
    if said is not None:
        notes.lose("messages.document")
        head = (text_of(part.value, "title"), text_of(part.value, "context"))
        return Text("\n".join([*filter(None, head), said]))
    name, data = _pdf(part)
    return _put(name, data, notes.target) or part if data else part


def _words(value: Mapping[str, Any]) -> str | None:
    """The text of a document or a search result; None for a document of another kind."""
    if isinstance(value.get("source"), str):
        return "\n".join([value["source"], *_texts(value)])
    found = object_of(value, "source")
    kind = text_of(found, "type")
    if kind == "text":
        return text_of(found, "data")
    if kind != "content":
        return None
    if isinstance(found.get("content"), str):
        return text_of(found, "content")
    blocks = list(objects_of(found, "content"))
    return "\n".join(_texts(found)) if all(block.get("type") == "text" for block in blocks) else None


def _pdf(part: Opaque) -> tuple[str, str]:
    """Name and base64 data; no data for what is no PDF that came along."""
    value = part.value
    if part.kind == "document":
        source = object_of(value, "source")
        return text_of(value, "title"), text_of(source, "data") if source.get("media_type") == PDF else ""
    file = object_of(value, "file") or value
    head, _, data = text_of(file, "file_data").partition(",")
    is_pdf = part.kind in ("file", "input_file") and head.removeprefix("data:").partition(";")[0] == PDF
    return text_of(file, "filename"), data if is_pdf else ""


def _texts(value: Mapping[str, Any]) -> list[str]:
    return [text_of(block, "text") for block in objects_of(value, "content")]


def _put(name: str, data: str, target: DialectName) -> Opaque | None:
    if target == "openai":
        file = {"filename": name or UNNAMED, "file_data": f"data:{PDF};base64,{data}"}
        return Opaque("file", {"type": "file", "file": file}, target)
    if target == "anthropic":
        source = {"type": "base64", "media_type": PDF, "data": data}
        return Opaque("document", {"type": "document", "source": source, **present(title=name or None)}, target)
    return None
