"""The type of a request's body: one field, one type, its parameters once."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.unambiguous.mediatypes import check_charset, read_media_type
from switchman.addons.core.request.unambiguous.names import Ambiguous


@pytest.mark.parametrize(
    ("fields", "essence", "params"),
    [
        ([], "", {}),
        (["application/json"], "application/json", {}),
        (["Application/JSON ; Charset=UTF-8"], "application/json", {"charset": "UTF-8"}),
        (['application/json; charset="utf-8";'], "application/json", {"charset": "utf-8"}),
        (['multipart/form-data; boundary="a,b;\\"c"'], "multipart/form-data", {"boundary": 'a,b;"c'}),
        (["text/plain; x"], "text/plain", {"x": ""}),
    ],
)
def test_a_type_is_read(fields: list[str], essence: str, params: dict[str, str]) -> None:
    """Quoted or not, in any case."""
    found = read_media_type(fields)
    assert (found.essence, found.params) == (essence, params)


@pytest.mark.parametrize(
    "fields",
    [
        ["application/json", "application/json"],
        ["application/json", "multipart/form-data; boundary=b"],
        ["application/json, multipart/form-data; boundary=b"],
        ["application/json; charset=utf-8; charset=utf-7"],
        ["application/json; charset=utf-8; Charset*=utf-8''utf-7"],
        ['application/json; charset="utf-7'],
        ['application/json; charset="utf-7\\"'],
        ['application/json; charset="utf-7\\'],
        ['application/json; a="b"; charset="utf-7; "c"'],
    ],
)
def test_two_types_are_none(fields: list[str]) -> None:
    """Nor two of a parameter by which a body is read."""
    with pytest.raises(Ambiguous) as error:
        read_media_type(fields)
    assert error.value.param == "content-type"


@pytest.mark.parametrize(
    "charset", ["", "utf-8", "UTF8", " Utf_8 ", "us-ascii", "ISO-8859-1", "latin1", "windows-1252"]
)
def test_a_charset_in_which_the_body_is_the_same_is_fine(charset: str) -> None:
    """As old HTTP clients write one without being asked."""
    check_charset(charset, b'{"model": "m"}')


@pytest.mark.parametrize(
    "charset", ["utf-7", "utf-16", "utf-16le", "utf-32", "ebcdic", "shift_jis", "iso-2022-jp", "x"]
)
def test_another_charset_is_refused(charset: str) -> None:
    """Some servers obey it."""
    with pytest.raises(Ambiguous):
        check_charset(charset, b"+AG0-odel")


def test_letters_in_a_charset_of_one_byte_are_refused() -> None:
    """They would be other letters there."""
    check_charset("utf-8", "é".encode())
    with pytest.raises(Ambiguous):
        check_charset("iso-8859-1", "é".encode())
