"""Why TLS failed, in a sentence that says what to set. The words are OpenSSL's, from mitmproxy or from Python."""

from __future__ import annotations

# Parts of OpenSSL's words -> what to tell; the first that is found counts.
_SENTENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("self-signed certificate in certificate chain", "unable to get local issuer", "unable to get issuer"),
        "the server's certificate is from an authority that is not trusted here: name the authority's file in "
        "`tls: {ca: FILE}` or SSL_CERT_FILE",
    ),
    (
        ("self-signed certificate", "self signed certificate"),
        "the server's certificate is self-signed: name it in `tls: {ca: FILE}`",
    ),
    (("certificate has expired",), "the server's certificate has expired"),
    (("certificate is not yet valid",), "the server's certificate is not valid yet: is this machine's clock right?"),
    (
        ("hostname mismatch", "ip address mismatch", "certificate is not valid for"),
        "the server's certificate is for another name than the one in its URL",
    ),
    (
        ("certificate required", "certificate_required"),
        "the server wants a client certificate: name it in `tls: {client_cert: FILE}`",
    ),
    (
        ("alert unknown ca", "alert bad certificate", "alert certificate unknown", "alert certificate expired",
         "alert certificate revoked", "alert unsupported certificate", "alert_unknown_ca", "alert_bad_certificate",
         "alert_certificate_unknown", "alert_certificate_expired", "alert_certificate_revoked"),
        "the server refuses the router's client certificate (`tls: {client_cert: FILE}`)",
    ),
    (
        ("does not speak tls", "wrong version number", "wrong_version_number", "record layer failure",
         "record_layer_failure", "packet length too long", "http request", "http_request"),
        "TLS failed as the server does not speak it on this port: perhaps its URL begins with http://",
    ),
    (
        ("handshake failure", "handshake_failure"),
        "the server ended the TLS handshake: it may want a client certificate (`tls: {client_cert: FILE}`)",
    ),
)  # fmt: skip


def sentence(words: str) -> str | None:
    """What to tell of a failure; None where the words are not known."""
    words = words.lower()
    return next((told for signs, told in _SENTENCES if any(sign in words for sign in signs)), None)


def explained(words: str) -> str:
    """The sentence with the words behind it, or the words alone; said to be about TLS in either case."""
    told = sentence(words)
    if told is None:
        return words if "tls" in words.lower() or "certificate" in words.lower() else f"TLS: {words}"
    return f"{told} ({words})"
