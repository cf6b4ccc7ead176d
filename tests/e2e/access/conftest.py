"""Tokens for a running router: made in its database, as `switchman token create` makes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from switchman.addons.core.access.caller import Terms
from switchman.addons.store.access.opening import Access, open_access

Make = Callable[..., str]


@contextmanager
def access_of(proxy: Any) -> Iterator[Access]:
    """Who may, as the router's database has it."""
    access = open_access(None, proxy.folder / "requests.db")
    try:
        yield access
    finally:
        access.close()


def status(proxy: Any, secret: str) -> int:
    """What the router answers to a token, over a connection of its own, and from an address that no test comes from:
    what is asked too early counts as a failure of its address, of which the tests want to see theirs answered in full.
    """
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), timeout=60) as client:
        return client.get(f"{proxy.url}/v1/models", headers={"x-api-key": secret}).status_code


@pytest.fixture(scope="session")
def make_token() -> Make:
    """make_token(proxy, name, **terms): the text of a new token that the router knows by now."""

    def make(proxy: Any, name: str, **terms: Any) -> str:
        with access_of(proxy) as access:
            _, secret = access.tokens.create(Terms(name, **terms), time.time())
        proxy.until(lambda: status(proxy, secret) == 200, f"the token {name}")
        return secret

    return make
