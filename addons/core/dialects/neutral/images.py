"""Images: convert between data URLs, base64 with a media type, and bare base64."""

from __future__ import annotations

from typing import Final

from switchman.addons.core.dialects.neutral.form import Image

# First characters of the base64 text -> media type: the formats' magic numbers (PNG, JPEG, GIF, RIFF/WEBP, BMP).
_MAGIC: Final = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "Qk": "image/bmp",
}


def media_type(data: str) -> str:
    """The media type that base64 data begins like; image/png where it is unknown, as servers look themselves."""
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), "image/png")


def from_url(url: str) -> Image:
    """A picture from an URL; `data:image/png;base64,...` is taken apart (RFC 2397), any other is kept."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma or not head.endswith(";base64"):
        return Image(url=url)
    return Image(data=data, media_type=head[5:].removesuffix(";base64"))


def to_url(image: Image) -> str:
    """The picture as an URL: its own, or a data URL."""
    return image.url or f"data:{image.media_type or media_type(image.data)};base64,{image.data}"
