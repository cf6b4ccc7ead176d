"""Why TLS failed, from OpenSSL's words."""

from __future__ import annotations

import pytest

from switchman.addons.core.servers.reaching.tlsfaults import explained, sentence


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "Certificate verify failed: self-signed certificate in certificate chain",
            "authority that is not trusted here",
        ),
        ("certificate verify failed: unable to get local issuer certificate", "authority that is not trusted here"),
        ("Certificate verify failed: self-signed certificate", "is self-signed: name it in `tls: {ca: FILE}`"),
        ("certificate verify failed: certificate has expired (_ssl.c:1020)", "has expired"),
        ("Certificate verify failed: certificate is not yet valid", "not valid yet"),
        ("Certificate verify failed: hostname mismatch", "for another name"),
        ("Certificate verify failed: IP address mismatch", "for another name"),
        ("Hostname mismatch, certificate is not valid for 'a.example'.", "for another name"),
        ("IP address mismatch, certificate is not valid for '127.0.0.1'.", "for another name"),
        ("TLS Error: [('SSL routines', '', 'tlsv13 alert certificate required')]", "wants a client certificate"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert", "wants a client certificate"),
        ("[('SSL routines', '', 'tlsv1 alert unknown ca')]", "refuses the router's client certificate"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE]", "refuses the router's client certificate"),
        ("The remote server does not speak TLS.", "perhaps its URL begins with http://"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1020)", "perhaps its URL begins with http://"),
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE]", "may want a client certificate"),
    ],
)
def test_what_is_known_is_told_in_a_sentence(words: str, told: str) -> None:
    """With what to set; the words stand behind it for who wants them."""
    found = sentence(words)
    assert found is not None and told in found
    assert explained(words) == f"{found} ({words})"


def test_what_is_not_known_keeps_its_words() -> None:
    """And says that it is about TLS, which decides what is done about it."""
    assert sentence("out of memory") is None
    assert explained("out of memory") == "TLS: out of memory"
    assert explained("no TLS version in common") == "no TLS version in common"
