"""Images: convert between data URLs, base64 with a media type, and bare base64.

The bytes tell what a picture is. Clients name it after the file's ending (`image/jpg`), as `application/octet-stream`,
or wrongly, and Anthropic refuses a type that is not that of the bytes.
"""

from __future__ import annotations

from dataclasses import replace
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


# Names that are no media type, for the one that is meant.
_MEANT: Final = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
UNKNOWN: Final = "image/png"  # servers look themselves


def media_type(data: str, given: str = "") -> str:
    """The media type that base64 data begins like; else the one that was `given` for it, else image/png."""
    head = data[:80].lstrip()
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    name = given.partition(";")[0].strip().lower()
    return _MEANT.get(name, name) if name.startswith("image/") else UNKNOWN


def from_url(url: str) -> Image:
    """A picture from an URL; `data:image/png;base64,...` is taken apart (RFC 2397), any other is kept."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma or not head.endswith(";base64"):
        return Image(url=url)
    return Image(data=data, media_type=head[5:].removesuffix(";base64"))


def to_url(image: Image) -> str:
    """The picture as an URL: its own, or a data URL."""
    return image.url or f"data:{image.media_type or media_type(image.data)};base64,{image.data}"


def typed(image: Image) -> Image:
    """The picture with the media type of its bytes."""
    return image if image.url else replace(image, media_type=media_type(image.data, image.media_type))
