"""Header fields and keys of the configuration: what may be written into a request's head."""

import pytest

from switchman.addons.core.servers.reaching.fields import MOST, field_name, field_value, key_value


@pytest.mark.parametrize("name", ["x-team", "X-Title", "authorization", "api_key", "a_", "x.y", "!#$%&'*+^`|~"])
def test_usual_names_are_taken(name: str) -> None:
    """As they are written."""
    assert field_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "x y", "x:", ":authority", "x\r\ny", "x\ny", "x\0", "é", "x\t", "(x)", "x,y", 'x"', "x\u200b"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    """Blanks, colons, line breaks, anything beyond a token."""
    with pytest.raises(ValueError, match="a header's name has letters"):
        field_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "host", "Host", "content-length", "CONTENT-LENGTH", "transfer-encoding", "Trailer", "content-encoding",
        "expect", "connection",
        "Keep-Alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "Upgrade",
    ],
)  # fmt: skip
def test_what_frames_a_request_is_the_routers(name: str) -> None:
    """Names that say where a request goes, where its body ends, and what becomes of the connection."""
    with pytest.raises(ValueError, match=r"cannot be set|the router decides"):
        field_name(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a b", "a b"), ("sk-1\n", "sk-1"), ("\r\n sk-1\t\r\n", "sk-1"), ("a\tb", "a\tb"), ("", ""), ("~!", "~!"),
        ("x" * MOST, "x" * MOST),
    ],
)  # fmt: skip
def test_blanks_around_a_value_are_taken_off(text: str, value: str) -> None:
    """`$(cat file)` and YAML's | leave a line break."""
    assert field_value(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sk-secret\r\nx-admin: 1", "a line break"),
        ("sk-secret\nx", "a line break"),
        ("sk-secret\rx", "a line break"),
        ("sk-secret\0x", "a NUL character"),
        ("sk-secret\x1bx", "not seen, U\\+001B"),
        ("sk-secret\x7fx", "not seen, U\\+007F"),
        ("sk-secret\x85x", "not seen, U\\+0085"),
        ("sk-secret\u200bx", "not seen, U\\+200B"),
        ("sk-secret\ufeff", "not seen, U\\+FEFF"),
        ("sk-secreté", "not ASCII, U\\+00E9"),
        ("“sk-secret”", "not ASCII, U\\+201C"),
        ("sk-secret\u2028x", "not ASCII, U\\+2028"),
        ("sk-secret" * 1000, "longer than 8192"),
    ],
)
def test_what_may_not_be_in_a_value_is_refused_without_repeating_it(text: str, why: str) -> None:
    """With its kind and place."""
    with pytest.raises(ValueError, match=why) as error:
        field_value(text)
    assert "secret" not in str(error.value)
    with pytest.raises(ValueError, match=why):
        key_value(text)


def test_a_key_has_no_blank_within() -> None:
    """Two words are no key."""
    assert key_value(" sk-1 \n") == "sk-1"
    with pytest.raises(ValueError, match=r"the key has a blank in it \(character 3 of 5\)"):
        key_value("ab cd")
