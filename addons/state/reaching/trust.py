"""TLS contexts by what core/servers/reaching/reach.py says: one form for mitmproxy's connections, one for httpx.

Both read files, which takes milliseconds: not on an event loop. Each value of Tls is read once, and again where a file
changed, as its digest is part of the value. Both raise Untrusted where a file is not what it was.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from mitmproxy.net import tls as net_tls
from OpenSSL import SSL

from switchman.addons.config.certificates import MAX_FILE_BYTES
from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.core.servers.reaching.reach import Reach, Tls

MAX_CONTEXTS = 64  # of the latest values; each holds some hundred certificates, about 1 MB


class Untrusted(OSError):
    """A file of certificates was good when the rules were read, and is not any more."""


@lru_cache(MAX_CONTEXTS)
def openssl_context(tls: Tls) -> SSL.Context:
    """For a connection of mitmproxy's. Whose name the certificate must have is set on each connection."""
    try:
        _look_at_files(tls)
        # mitmproxy's own cache goes by the names of the files, not by what is in them.
        context: SSL.Context = net_tls.create_proxy_server_context.__wrapped__(
            method=net_tls.Method.TLS_CLIENT_METHOD,
            min_version=net_tls.DEFAULT_MIN_VERSION,
            max_version=net_tls.DEFAULT_MAX_VERSION,
            cipher_list=None,
            ecdh_curve=None,
            verify=net_tls.Verify.VERIFY_PEER if tls.verify else net_tls.Verify.VERIFY_NONE,
            ca_path=tls.ca_dir,
            ca_pemfile=tls.ca.path if tls.ca else None,
            client_cert=None,
            legacy_server_connect=False,
        )
        if tls.client_cert is not None:
            context.use_certificate_chain_file(tls.client_cert.path)
            context.use_privatekey_file((tls.client_key or tls.client_cert).path)
            context.check_privatekey()
            # Servers that want a certificate for some paths only (IIS, Apache) ask for it after the handshake.
            vars(SSL)["_lib"].SSL_CTX_set_post_handshake_auth(context._context, 1)
    except (SSL.Error, RuntimeError, OSError, Unreadable) as error:
        raise Untrusted(_changed(tls)) from error
    return context


@lru_cache(MAX_CONTEXTS)
def ssl_context(tls: Tls) -> ssl.SSLContext:
    """For httpx."""
    try:
        _look_at_files(tls)
        if tls.ca is None and tls.ca_dir is None:
            context = httpx.create_ssl_context(trust_env=False)
        else:
            context = ssl.create_default_context(cafile=tls.ca.path if tls.ca else None, capath=tls.ca_dir)
        # Python asks for more of a certificate since 3.13 than mitmproxy's connections do: one rule for both.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if tls.client_cert is not None:
            context.load_cert_chain(tls.client_cert.path, tls.client_key.path if tls.client_key else None)
            context.post_handshake_auth = True
    except (OSError, Unreadable) as error:  # SSLError is one
        raise Untrusted(_changed(tls)) from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def httpx_arguments(reach: Reach) -> dict[str, Any]:
    """How an httpx client goes the way of `reach`, and no other: the environment has been looked at before."""
    found: dict[str, Any] = {"verify": ssl_context(reach.tls), "trust_env": False}
    if (proxy := reach.proxy) is not None:
        headers = {"proxy-authorization": proxy.authorization} if proxy.authorization else {}
        tls = ssl_context(reach.proxy_tls) if proxy.scheme == "https" else None
        found["proxy"] = httpx.Proxy(proxy.url, headers=headers, ssl_context=tls)
    return found


def _look_at_files(tls: Tls) -> None:
    """Raises Unreadable or FileNotFoundError. OpenSSL would wait for a pipe, and read a device without end."""
    for file in tls.files:
        read_file(Path(file.path), MAX_FILE_BYTES)


def _changed(tls: Tls) -> str:
    names = ", ".join(file.path for file in tls.files) or tls.ca_dir or "the authorities that come with the program"
    return f"the certificates cannot be loaded any more: {names}"
