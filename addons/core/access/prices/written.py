"""What a rules file says of a price: as a price of its own, or as changes of a listed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from switchman.addons.core.access.prices.price import FREE, Price

# What a part costs where a price that stands alone does not say.
_AS: Final = (("cached", "input"), ("cache_write_5m", "input"), ("cache_write_1h", "cache_write_5m"),
              ("image_in", "input"), ("image_cached", "cached"), ("audio_cached", "audio_in"),
              ("reasoning", "output"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenPrice:
    """Figures of a rules file, in micro-dollars per million, by the names of Price's parts.

    `bands`: those of more than so many input tokens; what they do not name is as below.
    """

    parts: Mapping[str, int]
    tools: Mapping[str, int] = field(default_factory=dict)
    bands: tuple[tuple[int, Mapping[str, int]], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether this is a price of its own, which changes no other one."""
        return "input" in self.parts or "output" in self.parts

    def over(self, listed: Price | None) -> Price:
        """The price with these figures; of a whole one, with what follows from them in place of what is not said."""
        if self.whole and not any([*self.parts.values(), *self.tools.values(), self.bands]):
            return FREE if "input" in self.parts and "output" in self.parts else self._alone(self.parts)
        if self.whole:
            base = self._alone(self.parts)
            return replace(
                base, bands=tuple((above, self._alone({**self.parts, **more})) for above, more in self.bands)
            )
        base = listed or Price()
        parts = {**base.parts, **self.parts}
        bands = tuple((above, Price({**parts, **more})) for above, more in self.bands)
        return replace(base, parts=parts, tools={**base.tools, **self.tools}, bands=bands or base.bands)

    def _alone(self, parts: Mapping[str, int]) -> Price:
        figures = dict(parts)
        for part, usual in _AS:
            if usual in figures:
                figures.setdefault(part, figures[usual])
        return Price(figures, tools=dict(self.tools))
