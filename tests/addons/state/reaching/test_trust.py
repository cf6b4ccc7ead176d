"""TLS contexts, tried on real handshakes: both forms hold a server to the same."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from OpenSSL import SSL
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.reach import PemFile, Proxy, Reach, Tls
from switchman.addons.state.reaching.trust import Untrusted, httpx_arguments, openssl_context, ssl_context
from switchman.addons.testing import FakeUpstream, HttpProxy

AUTHORITY = trustme.CA()


def pem(file: Path) -> PemFile:
    return PemFile(str(file), hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pem")
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    own = AUTHORITY.issue_cert("router.example")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "own.pem"))
    (folder / "cert.pem").write_bytes(own.cert_chain_pems[0].bytes())
    own.private_key_pem.write_to_path(str(folder / "key.pem"))
    return folder


def serving(mutual: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    if mutual:
        AUTHORITY.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module", params=[False, True], ids=["any client", "known clients"])
def upstream(request: pytest.FixtureRequest) -> Iterator[FakeUpstream]:
    with FakeUpstream(tls=serving(request.param), name="mutual" if request.param else "usual") as upstream:
        yield upstream


def by_httpx(tls: Tls, upstream: FakeUpstream) -> bool:
    with httpx.Client(**httpx_arguments(Reach(tls=tls))) as client:
        try:
            return client.get(upstream.url + "/v1/models").status_code == 200
        except httpx.TransportError:
            return False


def by_openssl(tls: Tls, upstream: FakeUpstream) -> bool:
    """The handshake and a request over it, as mitmproxy does: from memory to memory."""

    async def work() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
        connection = SSL.Connection(openssl_context(tls))
        connection.set_connect_state()
        sent = False
        try:
            while True:
                try:
                    if not sent:
                        connection.do_handshake()
                        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                        sent = True
                    return connection.recv(65536).startswith(b"HTTP/1.1 200")
                except SSL.WantReadError:
                    try:
                        writer.write(connection.bio_read(65536))
                    except SSL.WantReadError:
                        pass
                    if not (data := await reader.read(65536)):
                        return False
                    connection.bio_write(data)
                except SSL.Error:
                    return False
        except OSError:
            return False
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    return asyncio.run(work())


@pytest.mark.parametrize("try_it", [by_httpx, by_openssl])
@pytest.mark.parametrize("kind", ["usual", "ca", "careless", "own", "split", "own, untrusting"])
def test_both_forms_hold_a_server_to_the_same(kind: str, try_it: object, upstream: FakeUpstream, folder: Path) -> None:
    """Whom they trust, and whether they say who they are."""
    ca, own = pem(folder / "ca.pem"), pem(folder / "own.pem")
    tls = {
        "usual": Tls(),
        "ca": Tls(ca),
        "careless": Tls(verify=False),
        "own": Tls(ca, client_cert=own),
        "split": Tls(ca, client_cert=pem(folder / "cert.pem"), client_key=pem(folder / "key.pem")),
        "own, untrusting": Tls(client_cert=own),
    }[kind]
    good = kind in (("own", "split") if upstream.name == "mutual" else ("ca", "careless", "own", "split"))
    assert callable(try_it) and try_it(tls, upstream) is good


@pytest.mark.parametrize("make", [openssl_context, ssl_context])
def test_a_folder_of_authorities_may_stand_beside_a_file(make: object, folder: Path, tmp_path: Path) -> None:
    """As SSL_CERT_DIR does; OpenSSL looks into it when it needs one."""
    assert callable(make)
    assert make(Tls(ca_dir=str(tmp_path))) and make(Tls(pem(folder / "ca.pem"), str(tmp_path)))


@pytest.mark.parametrize("make", [openssl_context, ssl_context])
@pytest.mark.parametrize("which", ["ca", "cert", "key"])
def test_a_file_that_is_gone_is_no_reason_to_trust_others(make: object, which: str, folder: Path) -> None:
    """Nor to go without a certificate of one's own."""
    gone, here = PemFile("/nowhere/x.pem", "0"), pem(folder / "cert.pem")
    tls = {
        "ca": Tls(gone),
        "cert": Tls(client_cert=gone),
        "key": Tls(client_cert=here, client_key=gone),
    }[which]
    assert callable(make)
    with pytest.raises(Untrusted, match=r"cannot be loaded any more: .*/nowhere/x\.pem"):
        make(tls)


@pytest.mark.parametrize("make", [openssl_context, ssl_context])
def test_a_value_is_loaded_once_and_a_changed_file_anew(make: object, tmp_path: Path) -> None:
    """The name alone says nothing of what is in it."""
    assert callable(make)
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    first = make(Tls(pem(file)))
    assert make(Tls(pem(file))) is first
    AUTHORITY.cert_pem.write_to_path(str(file))
    assert make(Tls(pem(file))) is not first


def test_httpx_goes_through_the_proxy(folder: Path) -> None:
    """With the proxy's credentials, by TLS where it speaks that, and whatever the environment says."""
    tls, ca = serving(mutual=False), Tls(pem(folder / "ca.pem"))
    with FakeUpstream(tls=tls) as up, HttpProxy("a:b", tls=tls, hosts={"x.example": ("127.0.0.1", up.port)}) as proxy:
        way = Proxy("https", "127.0.0.1", proxy.port, SecretStr("a:b"))
        with httpx.Client(**httpx_arguments(Reach(way, Tls(verify=False), ca))) as client:
            assert client.get("https://x.example/v1/models").status_code == 200
        assert proxy.lines == ["CONNECT x.example:443"]
        with (
            httpx.Client(**httpx_arguments(Reach(way, Tls(verify=False)))) as client,
            pytest.raises(httpx.ConnectError),
        ):
            client.get("https://x.example/v1/models")


@pytest.mark.parametrize("form", ["httpx", "openssl"])
def test_a_server_may_ask_for_the_certificate_after_the_handshake(form: str, folder: Path) -> None:
    """As those do that want one for some paths only; TLS 1.3 has the client say at first that it would give one."""
    tls = Tls(pem(folder / "ca.pem"), client_cert=pem(folder / "own.pem"))
    wanting = serving(mutual=True)
    wanting.post_handshake_auth = True
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = wanting.wrap_bio(to_server, to_client, server_side=True)
    if form == "httpx":
        client: Any = ssl_context(tls).wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    else:
        client = SSL.Connection(openssl_context(tls))
        client.set_connect_state()

    def turn(step: Callable[[], object]) -> None:
        """One side goes on, as far as what it has read lets it; what it writes is for the other side."""
        if form == "openssl" and to_client.pending:
            client.bio_write(to_client.read())
        with contextlib.suppress(ssl.SSLWantReadError, SSL.WantReadError):
            step()
        with contextlib.suppress(SSL.WantReadError):
            if form == "openssl":
                to_server.write(client.bio_read(65536))

    for _ in range(4):
        turn(client.do_handshake)
        turn(server.do_handshake)
    assert server.getpeercert() is None or server.getpeercert() == {}
    server.verify_client_post_handshake()
    turn(server.do_handshake)
    for _ in range(2):
        turn(lambda: client.read(1))
        turn(lambda: server.read(1))
    assert server.getpeercert()


@pytest.mark.parametrize("load", [openssl_context, ssl_context])
@pytest.mark.parametrize("place", ["ca", "client_cert", "client_key"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    load: Callable[[Tls], object], place: str, tmp_path: Path
) -> None:
    """It was a file when the rules were read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    files = {"client_cert": PemFile(str(pipe), "1")} if place == "client_key" else {}
    with pytest.raises(Untrusted, match="pipe"):
        load(Tls(**files, **{place: PemFile(str(pipe), "2")}))
