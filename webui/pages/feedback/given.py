"""What feedback says: a verdict, a note, and what should have been. Pure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from switchman.addons.store.keeping.beside.remarks import LONGEST_NOTE, LONGEST_TARGET


class Given(BaseModel):
    """The body of POST /api/feedback. Who says what should have been says by that that it was bad."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    request_id: str = Field(min_length=1, max_length=200)
    verdict: Literal["good", "bad"] | None = None
    note: str = Field(default="", max_length=LONGEST_NOTE)
    should_be: str | None = Field(default=None, max_length=LONGEST_TARGET)

    @model_validator(mode="after")
    def _has_a_verdict(self) -> Given:
        if self.verdict is None:
            if not self.should_be:
                raise ValueError('say {"verdict": "good"} or {"verdict": "bad"}, or what it should_be')
            self.verdict = "bad"
        if self.verdict == "good" and self.should_be:
            raise ValueError("what was good should not be something else: leave out should_be, or say bad")
        return self
