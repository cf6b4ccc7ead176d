"""The operations of /api/admin/rules: read, look over, save, edit, take back, and the JSON of other routers."""

from __future__ import annotations

from switchman.addons.config.editing import desk as desks
from switchman.addons.config.editing.desk import Saved
from switchman.addons.config.editing.merging import exported
from switchman.addons.core.rules.problems import RulesError
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.models import PageIn
from switchman.webui.admin.rules import (
    RulesChanges,
    checked,
    desk,
    history,
    parse_edit,
    reading,
    told,
    version,
    with_edit,
    with_imported,
)
from switchman.webui.admin.rulesmodels import (
    CheckIn,
    CheckOut,
    EditIn,
    ExportOut,
    ImportIn,
    ProblemOut,
    RestoreIn,
    RulesIn,
    RulesOut,
    SavedOut,
    VersionOut,
    VersionsOut,
)


def get_rules() -> RulesOut:
    now, found = reading(), desk()
    in_force = found.is_in_force()
    return RulesOut(file=found.name, yaml=now.text, digest=now.digest, in_force=in_force, error=found.rules.error)


def check_rules(body: CheckIn) -> CheckOut:
    found = checked(body.yaml)
    return CheckOut(good=found.rules is not None, problems=[ProblemOut.of(one) for one in found.problems])


def save_rules(body: RulesIn) -> SavedOut:
    return _saved(body.yaml, body.digest, body.why, "rules.save")


def edit_rules(body: EditIn) -> SavedOut:
    text = with_edit(_same(body.digest), parse_edit(body.edit))
    return _tried(text, body.digest) if body.dry_run else _saved(text, body.digest, body.why, "rules.save")


def import_rules(body: ImportIn) -> SavedOut:
    text = with_imported(_same(body.digest), body.rules).text
    return _tried(text, body.digest) if body.dry_run else _saved(text, body.digest, body.why, "rules.import")


def export_rules() -> ExportOut:
    try:
        found = exported(reading().text, desk().name)
    except RulesError as error:
        raise Refused(f"the file is broken: {error.problems[0]}", 409) from None
    return ExportOut(rules=found.data, lost=found.lost)


def list_versions(page: PageIn) -> VersionsOut:
    reading()
    found = history().list(desk().name, page.before, page.limit)
    return VersionsOut(versions=[VersionOut.of(one) for one in found.versions], next=found.next)


def get_version(number: str) -> VersionOut:
    return VersionOut.of(*version(number_of(number)))


def restore_version(body: RestoreIn, number: str) -> SavedOut:
    found, text = version(number_of(number))
    return _saved(text, body.digest, body.why or f"back to version {found.seq}", "rules.rollback")


def number_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Refused("a version is named by its number", 404)
    return int(text)


def _same(digest: str) -> str:
    """The file's text, if it is what the change was made of."""
    now = reading()
    if now.digest != digest:
        raise Refused(_CHANGED, 409, "digest")
    return now.text


_CHANGED = "the rules file has changed since it was read: read it again, and change that"


def _tried(text: str, digest: str) -> SavedOut:
    found = checked(text)
    if found.rules is None:
        raise Refused(told(desks.Faulty(found.problems)), 422)
    return SavedOut(saved=False, yaml=text, digest=digest)


def _saved(text: str, digest: str, why: str, what: str) -> SavedOut:
    try:
        found: Saved = RulesChanges("api").save(text, digest, why, what)
    except desks.Changed:
        raise Refused(_CHANGED, 409, "digest") from None
    except desks.Faulty as error:
        raise Refused(told(error), 422, "yaml") from None
    return SavedOut(
        saved=found.digest != digest,
        yaml=desk().read().text,
        digest=found.digest,
        version=found.version.seq if found.version else None,
        written_over=found.in_place,
    )
