"""Fetches that a browser makes for a page without an Origin: images, scripts, frames, links, forms by GET.

A browser says on its own from where a request comes: `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/), which no
page can set or leave out. It does so for https, and for http on this machine. Programs that are no browsers send none.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from switchman.addons.core.request.origins import Origins

FOREIGN = (
    "A web page of another site has caused this request, and may not: its browser says so (Sec-Fetch-Site: {site}). If "
    "the page is yours, add its origin to CORS_ORIGINS and start the router again."
)


def foreign_fetch(method: str, headers: Mapping[str, str], allowed: Origins, *, own_page: bool) -> str | None:
    """Why a request without an Origin is refused, for its sender; None for one that may go on.

    `headers`: by names in lower case. `own_page`: what is asked for is the router's own, and costs nothing; a person
    may come to it by a link.
    """
    site = headers.get("sec-fetch-site", "").strip().lower()
    if site not in ("cross-site", "same-site"):
        return None
    if allowed.is_any or allowed.allows(_origin_of(headers.get("referer", ""))):
        return None
    by_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if by_link and own_page and method.upper() in ("GET", "HEAD"):
        return None
    return FOREIGN.format(site=site)


def _origin_of(referer: str) -> str:
    """The origin of the page that a Referer names; "" for none. A page can leave it out, but cannot forge it."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""
