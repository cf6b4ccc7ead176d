"""The dashboard behind a real nginx: whoever comes through it needs a token, also where nginx adds no header.

nginx listens on a Unix socket in a folder of the test's own, as one process that is ended by its id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from switchman.addons.config.child import READY
from switchman.addons.store import open_store
from switchman.webui.access.tokens import make_token

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
SECRET = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"
BROWSER = {
    "Connection": "keep-alive",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Accept": "text/html",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0",
}
PLAIN = ""
AS_SINCE_1_29_7 = 'proxy_http_version 1.1; proxy_set_header Connection "";'
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {servers}
}}
"""
SERVER = "server {{ listen unix:{folder}/{name}.sock; location / {{ proxy_pass http://127.0.0.1:{port}; {more} }} }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nginx")
    open_store(db_path=made / "requests.db", blob_path=made / "blobs").close()
    return made


@pytest.fixture(scope="module")
def dashboards(folder: Path) -> Iterator[dict[str, int]]:
    """The port of one in each mode."""
    with ExitStack() as running:
        ports = {}
        for mode in ("AUTH_WHEN_PROXIED", "ALWAYS_AUTH"):
            process = running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "switchman.addons.serving.dashboard", "--port", "0"],
                    env={"PATH": os.environ["PATH"], "JWT_SECRET": SECRET, "WEBUI_SECURITY": mode},
                    cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            running.callback(process.send_signal, signal.SIGTERM)
            assert process.stdout
            word, port = process.stdout.readline().split()
            assert word == READY
            ports[mode] = int(port)
        yield ports


@pytest.fixture(scope="module")
def nginx(folder: Path, dashboards: dict[str, int]) -> Iterator[Callable[[str], httpx.Client]]:
    """A client of nginx, by the name of the server in it."""
    if NGINX is None:
        reason = "no nginx (Debian: apt-get install nginx-light)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    kinds = {
        "plain": ("AUTH_WHEN_PROXIED", PLAIN),
        "newer": ("AUTH_WHEN_PROXIED", AS_SINCE_1_29_7),
        "usual": ("AUTH_WHEN_PROXIED", AS_SINCE_1_29_7 + " proxy_set_header X-Forwarded-For $remote_addr;"),
        "real-ip": ("AUTH_WHEN_PROXIED", AS_SINCE_1_29_7 + " proxy_set_header X-Real-IP $remote_addr;"),
        "via": ("AUTH_WHEN_PROXIED", AS_SINCE_1_29_7 + ' proxy_set_header Via "1.1 nginx";'),
        "always": ("ALWAYS_AUTH", AS_SINCE_1_29_7),
        "https": ("AUTH_WHEN_PROXIED", "proxy_set_header X-Forwarded-Proto https;"),
    }
    servers = [
        SERVER.format(folder=folder, name=name, port=dashboards[mode], more=more)
        for name, (mode, more) in kinds.items()
    ]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, servers="\n".join(servers)))
    process = subprocess.Popen([NGINX, "-c", str(config), "-e", str(folder / "error.log")], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while process.poll() is None and not (folder / "https.sock").exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert process.poll() is None, (folder / "error.log").read_text()
        with ExitStack() as clients:
            yield lambda name: clients.enter_context(
                httpx.Client(
                    transport=httpx.HTTPTransport(uds=str(folder / f"{name}.sock")),
                    base_url="http://dash.example",
                    timeout=60,
                )
            )
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("name", ["plain", "usual", "real-ip", "via", "always", "https"])
@pytest.mark.parametrize("headers", [{}, BROWSER, {"User-Agent": "curl/8.5.0", "Accept": "*/*"}])
def test_who_comes_through_nginx_needs_a_token(nginx, name: str, headers: dict[str, str]) -> None:
    """Browsers and programs; plain `proxy_pass` adds no header at all."""
    client = nginx(name)
    assert client.get("/api/requests", headers=headers).status_code == 401
    good = {"Authorization": f"Bearer {make_token(SECRET, 1)}"}
    assert client.get("/api/requests", headers=headers | good).status_code == 200


def test_a_browser_shows_a_proxy_that_adds_nothing_and_speaks_http_1_1(nginx) -> None:
    """nginx from 1.29.7 on: the browser's `Connection: keep-alive` ends at nginx."""
    assert nginx("newer").get("/", headers=BROWSER).status_code == 401
    same = BROWSER | {"Sec-Fetch-Site": "same-origin", "Referer": "http://dash.example/"}
    assert nginx("newer").get("/api/requests", headers=same).status_code == 401


def test_who_comes_directly_needs_none(dashboards: dict[str, int]) -> None:
    """The same requests without nginx: from this machine, in the default mode."""
    for headers in (BROWSER, {"User-Agent": "curl/8.5.0"}):
        address = f"http://127.0.0.1:{dashboards['AUTH_WHEN_PROXIED']}/api/requests"
        assert httpx.get(address, headers=headers, trust_env=False, timeout=60).status_code == 200


def test_a_session_over_https_is_bound_to_it_and_ends_for_good(nginx) -> None:
    """A Secure cookie for this host alone; after signing out, a copy of it opens nothing, nor does the token."""
    client, token = nginx("https"), make_token(SECRET, 1)
    answer = client.post("/sign-in", data={"token": token})
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-switchman_session=") and "; Secure" in cookie and "SameSite=Strict" in cookie
    client.cookies.clear()
    copy = {"Cookie": cookie.partition(";")[0]}
    assert client.get("/", headers=copy).status_code == 200
    assert client.post("/sign-out", headers=copy).status_code == 303
    assert client.get("/", headers=copy).status_code == 401
    for name in ("https", "plain", "always"):
        assert nginx(name).get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
