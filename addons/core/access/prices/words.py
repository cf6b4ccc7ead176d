"""A price in words, for a person."""

from __future__ import annotations

from switchman.addons.core.access.prices.price import MILLION, Price


def told(price: Price | None) -> str:
    """`$3 in, $0.3 cached, $15 out per million tokens`, `not known`, `free`."""
    if price is None:
        return "not known"
    if price.is_free:
        return "free"
    named = (("input", "in"), ("cached", "cached"), ("output", "out"), ("image_out", "for pictures"))
    parts = [f"${dollars(price.parts[part])} {word}" for part, word in named if part in price.parts]
    if parts:
        longer = [f"{above:,}" for above, _ in price.bands]
        more = f", another above {' and '.join(longer)}" if longer else ""
        return f"{', '.join(parts)} per million tokens{more}"
    if "audio_ms" in price.parts:
        return f"${dollars(price.parts['audio_ms'] * 60_000 // MILLION)} per minute of audio"
    if "images" in price.parts:
        return f"${dollars(price.parts['images'] // MILLION)} per picture"
    return "as its answers say" if price.states else "not known"


def dollars(amount: int) -> str:
    """Micro-dollars as dollars, exactly: `2.5`, `0.000713`."""
    whole, rest = divmod(amount, MILLION)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")
