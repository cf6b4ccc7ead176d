"""The limits of one server, as the rules file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """None: no such limit. `queue_wait` and `wait_up_to` are seconds."""

    max_concurrent: int | None = None  # requests that it works on at once
    rpm: int | None = None  # requests a minute
    tpm: int | None = None  # tokens a minute, prompts and answers together
    queue_size: int = 100  # requests that wait for it
    queue_wait: float = 30.0  # how long each of them does
    wait_up_to: float = 0.0  # the longest Retry-After that is waited out where nobody else can answer

    @property
    def is_counted(self) -> bool:
        """Whether anything is counted before a request goes out."""
        return self.max_concurrent is not None or self.rpm is not None or self.tpm is not None

    def __str__(self) -> str:
        """As the file has them."""
        queue = {"size": self.queue_size, "wait": self.queue_wait}
        said = {
            "max_concurrent": self.max_concurrent,
            "rpm": self.rpm,
            "tpm": self.tpm,
            "queue": f"{{{_said(queue)}}}",
            "wait_up_to": self.wait_up_to or None,
        }
        return _said(said)


def _said(values: Mapping[str, float | str | None]) -> str:
    words = {name: f"{one:g}" if isinstance(one, float) else one for name, one in values.items() if one is not None}
    return ", ".join(f"{name}: {one}" for name, one in words.items())
