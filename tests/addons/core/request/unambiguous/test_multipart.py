"""Multipart forms: where the deciding fields are, with every other byte left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.unambiguous.multipart import (
    MAX_PARTS,
    boundary_of,
    find_fields,
    replaced,
    text_of,
    with_field,
)
from switchman.addons.core.request.unambiguous.names import Ambiguous

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
    """Where only its file name says so."""
    body = form(('name="x"; filename="name=model"', b"no"), ('name="model"', b"y"))
    assert text_of(body, find_fields(body, b"b1", NAMES), "model") == "y"


DISPOSITION = "Content-Disposition: form-data; "
ODD_PARTS = {
    "two fields": ('name="model"', 'name="model"'),
    "two, with and without quotes": ("name=model", 'name="model"'),
    "a file": ('name="model"; filename="x"',),
    "a file by its star": ("name=\"model\"; filename*=UTF-8''x",),
    "another case": ('name="Model"',),
    "an array": ('name="model[]"',),
    "a blank behind it": ('name="model "',),
    "a NUL behind it": ('name="model\0"',),
    "a long s": ('name="\u017ftream"',),
    "full-width letters": ('name="\uff4dodel"',),
    "an extended name": ("name*=UTF-8''model",),
    "both names": ("name=\"a\"; name*=UTF-8''model",),
    "two names": ('name="a"; name="model"',),
    "single quotes": ("name='model'; x=y",),
    "no quote at the end": ('name="model',),
    "two dispositions": (f'name="a"\r\n{DISPOSITION}name="model"',),
    "a folded line": ('\r\n name="model"',),
    "a bare line feed": (f'name="a"\n{DISPOSITION}name="model"',),
    "a blank before the colon": (f'name="a"\r\n{DISPOSITION.replace(":", " :")}name="model"',),
    "a parameter more": ('name="a"; x="y"; name="model"',),
    "an escaped quote": (r'name="a\"; name="model"',),
    "a coding": ('name="model"\r\nContent-Transfer-Encoding: base64',),
    "a charset": ('name="model"\r\nContent-Type: text/plain; charset=utf-16',),
}


@pytest.mark.parametrize("parts", ODD_PARTS.values(), ids=ODD_PARTS)
def test_what_another_parser_could_read_otherwise_is_refused(parts: tuple[str, ...]) -> None:
    """Whichever of the readings is the server's."""
    with pytest.raises(Ambiguous):
        find_fields(form(*((part, b"bW9kZWw=") for part in parts)), b"b1", NAMES)


@pytest.mark.parametrize(
    "head",
    [
        'name="file"; filename="a \\"model\\".wav"\r\nContent-Type: audio/wav',
        'name="file"; filename="C:\\dir\\model.wav"',
        'name="file"; filename="x"; filename*=UTF-8\'\'model%20stream.wav',
        'name="file"; filename="stream.bin"\r\nContent-Type: application/octet-stream',
        'name="model_id"',
        'name="timestamp_granularities[]"',
        'name="prompt"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit',
        'name="a"; x=y\r\nX-Odd: application/octet-stream',
    ],
)
def test_honest_parts_are_stepped_over(head: str) -> None:
    """Whatever their files are called, and where nothing in an odd head could be one of the fields."""
    body = form((head, b"x"), ('name="model"\r\nContent-Type: text/plain; charset=ISO-8859-1', b"m"))
    assert text_of(body, find_fields(body, b"b1", NAMES), "model") == "m"


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
        b'{"model": "m"}\r\n' + form(('name="x"', b"")),
        form(('name="x"', b"")) + b'{"model": "m"}',
        form(('name="x"', b"")) + form(('name="model"', b"m")),
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


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a; Boundary*=UTF-8''b",
        "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
        'multipart/form-data; boundary="a',
        'multipart/form-data; boundary="a\u00e9"',
        "multipart/form-data; boundary=" + "a" * 71,
    ],
)
def test_an_odd_boundary_is_refused(content_type: str) -> None:
    """Servers would cut the body in different places."""
    with pytest.raises(ValueError, match=r"boundary|type"):
        boundary_of(content_type)
