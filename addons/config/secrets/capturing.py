"""The settings of what the log keeps of requests; a part of Settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.texts.redaction.atrest import kinds_of


class Capturing(BaseSettings):
    """CAPTURE, CAPTURE_REDACT and FULL_TEXT."""

    capture: Capture = Field("full", description="what the log keeps of requests: full, redacted or metadata")
    capture_redact: Annotated[frozenset[str] | None, NoDecode] = Field(
        None,
        description="what is replaced where it is `redacted`: email, phone, card, iban, ssn, ip; all of them",
    )

    full_text: bool = Field(True, description="prompts and answers are found by their words, on the dashboard")

    @field_validator("capture", mode="before")
    @classmethod
    def _lower_capture(cls, given: Any) -> Any:
        return given.strip().lower() if isinstance(given, str) else given

    @field_validator("capture_redact", mode="before")
    @classmethod
    def _read_kinds(cls, given: Any) -> Any:
        return kinds_of(given.split(",")) if isinstance(given, str) else given
