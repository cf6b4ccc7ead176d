"""What goes in and out of /api/admin/rules, as JSON. Texts have words in place of keys; `digest` is of such a text."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, field_validator

from switchman.addons.core.rules.problems import Problem as Found
from switchman.addons.store.access.history import LONGEST_WHY, Version
from switchman.webui.admin.models import In, Out

LONGEST = 512 * 1024

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of the state that the change was made of")]
Why = Annotated[str, Field(max_length=LONGEST_WHY, description="a note for the history")]


class RulesIn(In):
    """A text of the whole file."""

    model_config = ConfigDict(str_strip_whitespace=False)

    yaml: Annotated[str, Field(max_length=LONGEST)]
    digest: Digest
    why: Why = ""

    @field_validator("*")
    @classmethod
    def _is_one_line(cls, value: Any) -> Any:
        return value  # a file has many lines


class CheckIn(In):
    """A text to be looked over."""

    model_config = ConfigDict(str_strip_whitespace=False)

    yaml: Annotated[str, Field(max_length=LONGEST)]

    @field_validator("*")
    @classmethod
    def _is_one_line(cls, value: Any) -> Any:
        return value


class EditIn(In):
    """One edit of a route or an alias: {"do": "add" | "change" | "remove" | "enable" | "place" | "alias", ...}."""

    edit: dict[str, Any]
    digest: Digest
    why: Why = ""
    dry_run: bool = Field(False, strict=True, description="only give the text that it would be")


class RestoreIn(In):
    """A version of the history, to be saved again."""

    digest: Digest
    why: Why = ""


class ImportIn(In):
    """Rules in the JSON that other routers exchange."""

    rules: dict[str, Any]
    digest: Digest
    why: Why = ""
    dry_run: bool = Field(False, strict=True, description="only give the text that it would be")


class ProblemOut(Out):
    """`line` and `column` count from 1; 0: the file as a whole."""

    line: int
    column: int
    key: str
    message: str
    severity: str

    @classmethod
    def of(cls, found: Found) -> Self:
        return cls(line=found.line, column=found.column, key=found.key, message=found.message, severity=found.severity)


class RulesOut(Out):
    """The file as it is."""

    file: str
    yaml: str
    digest: str
    in_force: bool
    error: str | None


class CheckOut(Out):
    """`good`: the router would take it."""

    good: bool
    problems: list[ProblemOut]


class SavedOut(Out):
    """`saved` False: the file said so already, or it was a dry run. `version`: its number in the history."""

    saved: bool
    yaml: str
    digest: str
    version: int | None = None
    written_over: str = Field(default="", description="why the file was written over in place of being replaced")


class VersionOut(Out):
    """A version of the file. `how`: page, api, cli; file: by hand."""

    number: int
    at: float
    who: str
    role: str | None
    how: str
    why: str
    digest: str
    bytes: int
    yaml: str | None = None

    @classmethod
    def of(cls, found: Version, text: str | None = None) -> Self:
        return cls(
            number=found.seq,
            at=found.at,
            who=found.who,
            role=found.role,
            how=found.how,
            why=found.why,
            digest=found.digest,
            bytes=found.size,
            yaml=text,
        )


class VersionsOut(Out):
    """Newest first."""

    versions: list[VersionOut]
    next: int | None


class ExportOut(Out):
    """`lost`: what the JSON cannot say, a sentence for each route."""

    rules: dict[str, Any]
    lost: list[str]
