"""Prices and usages as values."""

from __future__ import annotations

from switchman.addons.core.access.prices.price import FREE, PARTS, Price, Usage, Window


def test_totals_have_each_token_once() -> None:
    """Those of further calls, too."""
    step = Usage(input=1000, cached=100, output=10)
    usage = Usage(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, images=9, audio_ms=9, more=(step,))
    assert usage.length == 255
    assert usage.input_tokens == 255 + 1100
    assert usage.output_tokens == 256 + 512 + 1024 + 2048 + 10
    assert usage.cached_tokens == 2 + 32 + 128 + 100


def test_what_is_free_has_all_parts_at_zero() -> None:
    """A price without parts is not free: it is not known."""
    assert FREE.is_free and FREE.parts == dict.fromkeys(PARTS, 0)
    assert not Price().is_free
    assert (Price().input, Price().output) == (None, None)


def test_the_price_of_a_length() -> None:
    """The last band that the length is above."""
    price = Price({"input": 1}, bands=((10, Price({"input": 2})), (20, Price({"input": 3}))))
    assert [price.for_length(length).input for length in (0, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]
    assert [each.input for each in price.all_up_to(15)] == [1, 2]


def test_windows_are_in_utc() -> None:
    """2026-11-30 was a Monday; 04:00 to 06:00, the end not included."""
    night = Price({"input": 1})
    price = Price({"input": 2}, off_peak=night, off_peak_at=(Window(frozenset({1}), 240, 360),))
    monday = 1_796_083_200.0  # 2026-12-01 is a Tuesday, 24 hours later
    at = [monday - 86_400 + hour * 3600 for hour in (3.99, 4, 5.99, 6)]
    assert [price.at(when).input for when in at] == [2, 1, 1, 2]
    assert price.at(monday + 4 * 3600).input == 2
    assert Price({"input": 2}).at(monday).input == 2


def test_a_service_that_is_not_listed_has_no_price() -> None:
    """To be served as usual is no service."""
    price = Price({"input": 2}, services={"flex": Price({"input": 1})})
    assert price.served("") is price
    assert (price.served("flex"), price.served("scale")) == (Price({"input": 1}), None)
