"""Compressed bodies: what is in them is looked through, and kept only without keys."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import brotli
import pytest
import zstandard

from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.store import Store
from switchman.addons.store.keeping import compressed
from switchman.addons.store.keeping.compressed import without_hidden
from switchman.addons.store.writer import Writer
from switchman.addons.testing.samples import make_record

KEY = "sk-own-0123456789abcdef"
KEYS = KnownKeys([KEY])
FILLING = b"".join(b"%d " % n for n in range(60_000))  # more than a piece of the decoder's, with the key across its end
CODERS: dict[str, Any] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data), quality=1),
}


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("where", [0, 262_130, len(FILLING)])
def test_a_compressed_body_with_a_key_is_not_kept(side: str, coding: str, where: int) -> None:
    """Of either side, by any coding, wherever the key stands; its size is."""
    plain = FILLING[:where] + KEY.encode() + FILLING[where:]
    for data, kept in ((plain, False), (FILLING, True)):
        body = CODERS[coding](data)
        headers = {f"{side}_headers": (("Content-Encoding", coding),), f"{side}_body": body, f"{side}_size": None}
        record = make_record(**headers)
        found = without_hidden(record, KEYS)
        assert (found is record) is kept and getattr(found, f"{side}_body") == (body if kept else None)
        assert kept or getattr(found, f"{side}_size") == len(body)
        assert without_hidden(record, NO_KEYS) is record


def test_the_log_has_no_key_that_came_compressed(store: Store) -> None:
    """Neither in a row nor in a body; the other side's body is kept."""
    body, headers = gzip.compress(KEY.encode()), (("content-encoding", "gzip"),)
    writer = Writer(store.engine, store.blobs, max_body=10**6, max_total=10**9, keys=lambda: KEYS)
    writer.put(make_record(id="r", request_headers=headers, request_body=body, response_body=b"answer"))
    assert writer.close(60)
    asked, answered = store.queries.body("r", "request"), store.queries.body("r", "response")
    assert asked is None or not asked.data
    assert answered is not None and answered.data == b"answer"
    detail = store.queries.get_request("r")
    assert detail is not None and detail.request_body.size == len(body)


def test_what_cannot_be_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken one is kept unless a key comes before the break, one of an unknown coding is, too long a one is not."""

    def is_kept(body: bytes, coding: str = "gzip") -> bool:
        record = make_record(request_headers=(("content-encoding", coding),), request_body=body)
        return without_hidden(record, KEYS) is record

    assert is_kept(b"no gzip") and is_kept(gzip.compress(KEY.encode()), "unknown")
    broken = gzip.compress(KEY.encode() + FILLING)
    assert not is_kept(broken[: len(broken) // 2])
    assert is_kept(gzip.compress(bytes(1_000_000)))
    monkeypatch.setattr(compressed, "MOST", 999_999)
    assert not is_kept(gzip.compress(bytes(1_000_000)))
