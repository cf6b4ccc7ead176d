"""Documents: text as text, a PDF in the target's words, anything else as it is."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.documents import with_documents
from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Image,
    Message,
    Opaque,
    Part,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.request.call import DialectName

PDF_SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PDF_FILE = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}


def read(
    part: Part, target: DialectName = "openai", origin: FormatName = "anthropic.messages"
) -> tuple[Part, list[str]]:
    notes = Notes(origin, target)
    request = with_documents(Request(origin, "m", (Message("user", (part,)),)), notes)
    (message,) = request.messages
    (out,) = message.parts
    return out, notes.warnings


def document(source: Any, **more: Any) -> Opaque:
    return Opaque("document", {"type": "document", "source": source, **more})


@pytest.mark.parametrize("target", ["openai", "ollama"])
@pytest.mark.parametrize(
    ("part", "text"),
    [
        pytest.param(document({"type": "text", "media_type": "text/plain", "data": "x"}), "x", id="text"),
        pytest.param(
            document({"type": "text", "data": "x"}, title="T", context="C"), "T\nC\nx", id="with-title-and-context"
        ),
        pytest.param(document({"type": "text", "data": "x"}, title=None, context=5), "x", id="title-of-another-type"),
        pytest.param(document({"type": "content", "content": "x"}), "x", id="content-as-text"),
        pytest.param(
            document({"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
            "a\nb",
            id="content-in-blocks",
        ),
        pytest.param(document({"type": "content", "content": []}), "", id="no-content"),
        pytest.param(
            Opaque(
                "search_result",
                {"source": "https://e.org", "title": "T", "content": [{"type": "text", "text": "a"}]},
            ),
            "T\nhttps://e.org\na",
            id="search-result",
        ),
    ],
)
def test_a_document_of_text_is_text(part: Opaque, text: str, target: DialectName) -> None:
    """Its title and context stand above it; the warning says that it was changed."""
    out, warnings = read(part, target)
    assert out == Text(text)
    assert warnings == [
        f"messages.document was changed for the {target} dialect: a document or search result of text is text"
    ]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(document({"type": "url", "url": "https://e.org/a.pdf"}), id="by-address"),
        pytest.param(document({"type": "file", "file_id": "f"}), id="by-id"),
        pytest.param(document({"type": "content", "content": [{"type": "image"}]}), id="with-a-picture"),
        pytest.param(document({}), id="no-source"),
        pytest.param(document(5), id="source-of-another-type"),
        pytest.param(document({"type": "base64", "media_type": "image/png", "data": "AA"}), id="not-a-pdf"),
        pytest.param(Opaque("file", {"type": "file", "file": {"file_id": "f"}}), id="openai-by-id"),
        pytest.param(
            Opaque("file", {"type": "file", "file": {"file_data": "data:text/csv;base64,AA"}}), id="openai-not-a-pdf"
        ),
        pytest.param(Opaque("file", {"type": "file", "file": {"file_data": "JVBERi0="}}), id="openai-no-data-url"),
        pytest.param(Opaque("input_audio", {"file_data": PDF_FILE["file_data"]}), id="another-kind"),
    ],
)
@pytest.mark.parametrize("target", ["openai", "ollama", "anthropic"])
def test_any_other_document_stays_as_it_is(part: Opaque, target: DialectName) -> None:
    """The encoder then refuses it by its name; here nothing is said to be lost."""
    assert read(part, target) == (part, [])


@pytest.mark.parametrize(
    ("part", "name"),
    [
        pytest.param(document(PDF_SOURCE, title="a.pdf"), "a.pdf", id="anthropic"),
        pytest.param(document(PDF_SOURCE), "", id="anthropic-without-title"),
        pytest.param(Opaque("file", {"type": "file", "file": PDF_FILE}), "a.pdf", id="chat"),
        pytest.param(Opaque("input_file", {"type": "input_file", **PDF_FILE}), "a.pdf", id="responses"),
    ],
)
def test_a_pdf_is_put_in_the_targets_words(part: Opaque, name: str) -> None:
    """OpenAI wants a name, Anthropic calls it a title; Ollama takes none, so it stays and is refused."""
    file = {"filename": name or "document.pdf", "file_data": PDF_FILE["file_data"]}
    assert read(part, "openai") == (Opaque("file", {"type": "file", "file": file}, "openai"), [])
    title = {"title": name} if name else {}
    assert read(part, "anthropic") == (
        Opaque("document", {"type": "document", "source": PDF_SOURCE, **title}, "anthropic"),
        [],
    )
    assert read(part, "ollama") == (part, [])


def test_documents_in_a_tools_result_are_read_too() -> None:
    """The texts and pictures beside them stay."""
    text = document({"type": "text", "data": "x"})
    out, _ = read(ToolResult("i", "f", (Text("a"), text, Image("AA"), document(PDF_SOURCE))))
    assert isinstance(out, ToolResult) and out.content[:3] == (Text("a"), Text("x"), Image("AA"))
    pdf = out.content[3]
    assert isinstance(pdf, Opaque) and pdf.words == "openai"


@pytest.mark.parametrize(
    "part",
    [Text("a"), Image("AA"), Thinking("hm"), ToolCall("c", "f", "{}"), ToolResult("c", "f", (Text("a"), Image("AA")))],
    ids=lambda part: type(part).__name__,
)
def test_parts_that_are_no_documents_stay(part: Part) -> None:
    """Most conversations have nothing else."""
    assert read(part) == (part, [])
