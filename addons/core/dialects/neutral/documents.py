"""Documents in a message: what Anthropic calls `document` and `search_result`, and OpenAI `file` and `input_file`.

A document of text becomes text, with its title above it. A PDF goes as such between Anthropic and OpenAI; Ollama takes
none. A file given by id or URL, which only its provider has, stays as it is, and the encoder refuses it.
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
    """The request with its documents in the target's shape, where the target has one for them."""
    messages = (
        message.with_parts(tuple(_with_documents(part, notes) for part in message.parts))
        for message in request.messages
    )
    return replace(request, messages=tuple(messages))


def _with_documents(part: Part, notes: Notes) -> Part:
    if isinstance(part, ToolResult):
        content = tuple(_translated(item, notes) if isinstance(item, Opaque) else item for item in part.content)
        return part if content == part.content else replace(part, content=content)
    return _translated(part, notes) if isinstance(part, Opaque) else part


def _translated(part: Opaque, notes: Notes) -> Opaque | Text:
    text = _document_text(part.value) if part.kind in ("document", "search_result") else None
    if text is not None:
        notes.lose("messages.document")
        head = (text_of(part.value, "title"), text_of(part.value, "context"))
        return Text("\n".join([*filter(None, head), text]))
    name, data = _pdf(part)
    return _pdf_for(name, data, notes.target) or part if data else part


def _document_text(value: Mapping[str, Any]) -> str | None:
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
        data = text_of(source, "data")
        return text_of(value, "title"), data if source.get("media_type") == PDF or _is_pdf(data) else ""
    file = object_of(value, "file") or value
    head, _, data = text_of(file, "file_data").partition(",")
    named = head.removeprefix("data:").partition(";")[0] == PDF
    is_pdf = part.kind in ("file", "input_file") and (named or _is_pdf(data))
    return text_of(file, "filename"), data if is_pdf else ""


def _is_pdf(data: str) -> bool:
    """Whether base64 data begins like a PDF (`%PDF-`), whatever it was called."""
    return data.startswith("JVBERi0")


def _texts(value: Mapping[str, Any]) -> list[str]:
    return [text_of(block, "text") for block in objects_of(value, "content")]


def _pdf_for(name: str, data: str, target: DialectName) -> Opaque | None:
    if target == "openai":
        file = {"filename": name or UNNAMED, "file_data": f"data:{PDF};base64,{data}"}
        return Opaque("file", {"type": "file", "file": file}, target)
    if target == "anthropic":
        source = {"type": "base64", "media_type": PDF, "data": data}
        return Opaque("document", {"type": "document", "source": source, **present(title=name or None)}, target)
    return None
