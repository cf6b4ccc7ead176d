"""Regular proxy mode: a client with a hard-coded address, http or https, is answered by a local server."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import trustme

from switchman.addons.testing import Behaviour, FakeUpstream

MESSAGES: Any = [{"role": "user", "content": "hi"}]
PIPELINE = str(Path(__file__).parents[2] / "addons" / "pipeline.py")


def by_mitmdump(proxy: Any) -> list[str]:
    program = str(Path(sys.executable).with_name("mitmdump"))
    confdir = f"confdir={proxy.folder / 'mitmproxy'}"
    listen = ["--listen-host", "127.0.0.1", "-p", "0"]
    # The authority stands for the machine's own trust store.
    trust = f"ssl_verify_upstream_trusted_ca={proxy.folder.parent / 'authority.pem'}"
    return [program, "-s", PIPELINE, "--mode", "regular", *listen, "--set", confdir, "--set", trust]


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="local", default=Behaviour(think="hm", text="Hello there."))


@pytest.fixture(scope="module")
def web(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """A web server that has nothing to do with models."""
    page = Behaviour(body=b"<h1>\xff</h1>", headers={"content-type": "text/html", "x-page": "1"})
    server = upstream_factory(name="web", default=page)
    server.listing = page
    return server


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any, upstream: FakeUpstream, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    authority.cert_pem.write_to_path(str(tmp_path_factory.getbasetemp() / "authority.pem"))
    routes = f"servers: {{local: '{upstream.url}'}}\naliases: {{gpt-4o: {{instances: [local/llama3]}}}}\n"
    return start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url}, by_mitmdump)


def through(proxy: Any, **more: Any) -> Any:
    return openai.DefaultHttpxClient(proxy=proxy.url, trust_env=False, **more)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_hard_coded_address_is_answered_locally(
    scheme: str, stream: bool, proxy: Any, upstream: FakeUpstream
) -> None:
    """The client believes it talks to its provider; no connection to that is ever made."""
    trust: Any = {}
    if scheme == "https":
        trust["verify"] = ssl.create_default_context(cafile=str(proxy.folder / "mitmproxy" / "mitmproxy-ca-cert.pem"))
    with through(proxy, **trust) as client:
        sdk = proxy.openai(base_url=f"{scheme}://api.example.invalid/v1", http_client=client)
        answer = sdk.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=stream)
        if stream:
            text = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        else:
            text = answer.choices[0].message.content
    assert text == "Hello there."
    assert upstream.inferences[-1].json()["model"] == "llama3"
    assert upstream.inferences[-1].header("host") == upstream.url.removeprefix("http://")


def test_a_request_that_is_no_llm_call_passes_untouched(proxy: Any, web: FakeUpstream) -> None:
    """Everything else a browser or program asks for goes where it was going."""
    before = len(proxy.rows())
    with httpx.Client(proxy=proxy.url, trust_env=False) as client:
        answer = client.get(f"{web.url}/page?q=1", headers={"accept-encoding": "br", "x-odd": "1"})
        form = client.post(f"{web.url}/form", content=b"a=b")
    assert (answer.status_code, answer.content, answer.headers["x-page"]) == (200, b"<h1>\xff</h1>", "1")
    assert not any(name.startswith("x-switchman") for name in answer.headers)
    page, posted = web.requests[-2:]
    assert (page.target, page.header("accept-encoding"), page.header("x-odd")) == ("/page?q=1", "br", "1")
    assert (posted.body, form.status_code) == (b"a=b", 200)
    # Whatever has been recorded by now, it is not this.
    proxy_rows = proxy.rows()
    assert len(proxy_rows) >= before and not any("/page" in row["path"] for row in proxy_rows)


def test_https_that_is_no_llm_call_passes_untouched(proxy: Any, authority: trustme.CA) -> None:
    """The same through CONNECT."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    page = Behaviour(body=b"secret page", headers={"content-type": "text/html"})
    trust = ssl.create_default_context(cafile=str(proxy.folder / "mitmproxy" / "mitmproxy-ca-cert.pem"))
    with FakeUpstream(tls=context) as web:
        web.listing = page
        with httpx.Client(proxy=proxy.url, trust_env=False, verify=trust) as client:
            assert client.get(f"{web.url}/page").content == b"secret page"


def test_a_dead_web_server_is_mitmproxys_own_502(proxy: Any) -> None:
    """Where we have no business, mitmproxy's own behaviour stays."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with httpx.Client(proxy=proxy.url, trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{taken.getsockname()[1]}/page").status_code == 502
