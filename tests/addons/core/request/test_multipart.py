"""Multipart forms: where the deciding fields are, with every other byte left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.multipart import (
    MAX_PARTS,
    boundary_of,
    find_fields,
    replaced,
    text_of,
    with_field,
)

NAMES = ("model", "stream")


def form(*parts: tuple[str, bytes], boundary: str = "b1") -> bytes:
    """Parts as (the rest of the disposition line and further header lines, value)."""
    pieces = [
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + v + b"\r\n" for head, v in parts
    ]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


def test_the_model_is_found_behind_a_file() -> None:
    """A file's bytes are stepped over, whatever they are."""
    body = form(('name="file"; filename="a.wav"', bytes(range(256)) * 4), ('name="model"', b"whisper-1"))
    spans = find_fields(body, b"b1", NAMES)
    assert text_of(body, spans, "model") == "whisper-1"
    assert text_of(body, spans, "stream") == ""


@pytest.mark.parametrize(
    "head", ['name="model"', "name=model", 'name="model"\r\nContent-Type: text/plain', 'NAME="model"']
)
def test_a_field_may_be_written_in_several_ways(head: str) -> None:
    """With quotes and without, with further headers, in any case."""
    body = form((head, b"m"))
    assert text_of(body, find_fields(body, b"b1", NAMES), "model") == "m"


def test_a_file_called_model_is_no_model() -> None:
    """Nor is a part whose file name says so."""
    body = form(
        ('name="model"; filename="x"', b"no"), ('name="x"; filename="name=model"', b"no"), ('name="model"', b"y")
    )
    assert text_of(body, find_fields(body, b"b1", NAMES), "model") == "y"


def test_the_first_field_of_a_name_counts() -> None:
    """As most servers read it."""
    body = form(('name="model"', b"a"), ('name="model"', b"b"))
    assert text_of(body, find_fields(body, b"b1", NAMES), "model") == "a"


def test_an_empty_value_is_found_and_can_be_replaced() -> None:
    """Its place is between the blank line and the delimiter."""
    body = form(('name="model"', b""))
    spans = find_fields(body, b"b1", NAMES)
    assert replaced(body, spans["model"], "m") == form(('name="model"', b"m"))


def test_a_field_can_be_put_in() -> None:
    """Before all others, which stay as they are; also behind a line break before the first boundary."""
    body = form(('name="file"; filename="a"', b"\0\r\n"))
    for before in (b"", b"\r\n"):
        longer = with_field(before + body, b"b1", "model", "w\u00e9")
        assert longer == before + form(('name="model"', "w\u00e9".encode()), ('name="file"; filename="a"', b"\0\r\n"))
        assert text_of(longer, find_fields(longer, b"b1", NAMES), "model") == "w\u00e9"


@settings(max_examples=60)
@given(
    st.binary(max_size=200).filter(lambda data: b"--b1" not in data),
    st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20),
)
def test_a_rename_changes_the_value_and_nothing_else(data: bytes, model: str) -> None:
    """For every file and every name."""

    def made(name: str) -> bytes:
        return form(('name="file"; filename="f"', data), ('name="model"', name.encode()), ('name="language"', b"en"))

    body = made(model)
    assert replaced(body, find_fields(body, b"b1", NAMES)["model"], "new-name") == made("new-name")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"model=whisper",
        b"--b1\r\nContent-Disposition: form-data; name=model",
        b'--b1\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper',
        b"x--b1--",
        b"--b1" + b"\r\nX: y\r\n\r\n\r\n--b1" * (MAX_PARTS + 1) + b"--",
    ],
)
def test_a_broken_form_is_an_error(body: bytes) -> None:
    """Not a guess."""
    with pytest.raises(ValueError, match=r"body|part"):
        find_fields(body, b"b1", NAMES)


def test_the_boundary_is_the_content_types() -> None:
    """Quoted or not, with other parameters after it; none is an error."""
    assert boundary_of("multipart/form-data; boundary=abc") == b"abc"
    assert boundary_of('multipart/form-data; Boundary="a b"; charset=utf-8') == b"a b"
    with pytest.raises(ValueError, match="no boundary"):
        boundary_of("multipart/form-data")
