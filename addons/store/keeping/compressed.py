"""Compressed bodies: a key of ours in one cannot be masked there, so such a body is not kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.record import Record
from switchman.addons.core.streams.decoding import Undecodable, decoder_for

MOST = 64 * 1024 * 1024  # decoded bytes that are searched; a body with more is not kept


def without_hidden(record: Record, keys: KnownKeys) -> Record:
    """The record without each body that has a key in it, behind a content-encoding that its head names; its size stays.
    The same object where there is none.
    """
    changed: dict[str, Any] = {}
    for side in ("request", "response") if keys else ():
        body, fields = getattr(record, f"{side}_body"), getattr(record, f"{side}_headers")
        coding = ", ".join(value for name, value in fields if name.lower() == "content-encoding")
        if body and coding and _may_have(body, coding, keys):
            changed |= {f"{side}_body": None, f"{side}_size": getattr(record, f"{side}_size") or len(body)}
    return replace(record, **changed) if changed else record


def _may_have(body: bytes, coding: str, keys: KnownKeys) -> bool:
    """Whether a key is in the decoded body, or it is too long to look. Of a broken one, what can be decoded counts."""
    if (decoder := decoder_for(coding)) is None:
        return False
    seen, last = 0, b""
    try:
        for piece in decoder.feed(body):
            if keys.in_bytes(last + piece):
                return True
            seen += len(piece)
            if seen > MOST:
                return True
            last = (last + piece)[-keys.longest :]
    except Undecodable:
        pass
    return False
