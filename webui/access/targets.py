"""Where a form leads to afterwards: a page of ours, whatever its `next` says."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import url_for


def local_target(target: str) -> str:
    """`target` if it is a path of ours, else the list of requests: never another site."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return url_for("live.index")
    if any(character < " " for character in target):
        return url_for("live.index")
    return target
