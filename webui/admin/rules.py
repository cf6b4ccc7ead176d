"""The rules file, read and changed for pages and programs alike: each save with its line in the list of changes.

Operators change how requests are routed. What says where keys go (`servers`, `arbiter`, a new address), what protects
others (redaction, what is kept, limits, prices) and which files of the machine are read is for admins.
"""

from __future__ import annotations

import logging
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError

from switchman.addons.config.editing import desk as desks
from switchman.addons.config.editing.desk import Checked, Reading, RulesDesk, Saved
from switchman.addons.config.editing.edits import AnyEdit, edited
from switchman.addons.config.editing.merging import Merged, merged
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.routerjson import routes_from
from switchman.addons.store.access.audit import How
from switchman.addons.store.access.history import RulesHistory, Version
from switchman.webui.access.people import person, web_config
from switchman.webui.admin.changes import Refused, access, who
from switchman.webui.looks.marked import N_

logger = logging.getLogger(__name__)

BROKEN = N_("the file cannot be edited while it is broken: %(problem)s")
MOST_TOLD = 20  # problems in one sentence
SHORT = 12  # characters of a digest in the list of changes
_EDIT: TypeAdapter[Any] = TypeAdapter(AnyEdit)


def desk() -> RulesDesk:
    found = web_config().desk
    if found is None:
        raise Refused(N_("there is no rules file here"), 503)
    return found


def reading() -> Reading:
    """The file as it is now, to be changed; a change by hand is written down."""
    now = glance()
    if now.large:
        message = N_("the rules file is larger than %(most)s bytes: edit the file itself")
        raise Refused(message, 409, most=desks.MOST_BYTES)
    return now


def glance() -> Reading:
    """The same, to be looked at: also a file that is too large to be changed here."""
    found = desk()
    try:
        now = found.read()
    except desks.NotReadable as error:
        raise Refused(str(error), 409) from None
    found.note_by_hand(now)
    return now


def history() -> RulesHistory:
    found = desk().history
    if found is None:
        raise Refused(N_("no history is kept here"), 503)
    return found


def version(seq: int) -> tuple[Version, str]:
    """A version of the file with its text, without keys."""
    found = history().text(desk().name, seq)
    if found is None:
        raise Refused(N_("there is no version %(number)s of the rules (any more)"), 404, number=seq)
    return found


def checked(text: str) -> Checked:
    """What the router would say of a text; who may not name files gets none read by it."""
    return desk().check(text, may_files=person().role >= Role.ADMIN)


def look_for_files(text: str) -> None:
    """Raises Refused where a text names a file to be read that the rules file does not, and the person may not."""
    if person().role >= Role.ADMIN:
        return
    found = web_config().desk
    try:
        desks.look_for_files(found.read().text if found is not None else "", text)
    except desks.NotForYou as error:
        raise Refused(str(error), 403) from None
    except desks.NotReadable as error:
        raise Refused(str(error), 409) from None


def parse_edit(value: Any) -> AnyEdit:
    try:
        found: AnyEdit = _EDIT.validate_python(value)
    except ValidationError as error:
        what = error.errors(include_url=False, include_input=False)[0]
        raise Refused(N_("the edit cannot be read: %(error)s"), 422, "edit", error=what["msg"]) from None
    return found


def with_edit(text: str, edit: AnyEdit) -> str:
    """The text after one edit."""
    try:
        return edited(text, edit)
    except NotEditable as error:
        raise Refused(str(error), 409, "edit") from None
    except RulesError as error:
        raise Refused(BROKEN, 409, "edit", problem=error.problems[0]) from None
    except (ValueError, RecursionError) as error:
        why = str(error) or "nested too deeply"
        raise Refused(N_("the edit cannot be written: %(error)s"), 422, "edit", error=why) from None


def with_imported(text: str, data: Any) -> Merged:
    """The text with rules in it that come as JSON."""
    try:
        return merged(text, routes_from(data))
    except NotEditable as error:
        raise Refused(str(error), 409, "rules") from None
    except RulesError as error:
        raise Refused(BROKEN, 409, "rules", problem=error.problems[0]) from None
    except (ValueError, RecursionError) as error:
        why = str(error) or "nested too deeply"
        raise Refused(N_("the JSON cannot be taken over: %(error)s"), 422, "rules", error=why) from None


class RulesChanges:
    """Saves by one person, in one of the ways to ask for them. The desk's own refusals go through: Changed, Faulty."""

    def __init__(self, how: How) -> None:
        self._who = who(how)
        self._may_servers = person().role >= Role.ADMIN

    def save(self, text: str, digest: str, why: str, what: str = "rules.save") -> Saved:
        """`what`: as the list of changes has it. `digest`: the state that the text was made of."""
        found = desk()
        try:
            saved = found.save(text, digest, self._who, why, may_servers=self._may_servers)
        except (desks.Changed, desks.Faulty):
            raise
        except desks.NotForYou as error:
            raise Refused(str(error), 403) from None
        except (desks.Refused, desks.NotReadable) as error:
            raise Refused(str(error), 409) from None
        except OSError as error:
            message = N_("the file cannot be written: %(error)s; it is as it was")
            raise Refused(message, 503, error=error.strerror) from None
        except DBAPIError:
            logger.error("the rules are saved by %s, and could not be written down", self._who.name)
            raise
        if saved.digest != digest:
            after: dict[str, Any] = {"digest": saved.digest[:SHORT], "why": why}
            if saved.version is not None:
                after["version"] = saved.version.seq
            access().audit.record(self._who, what, found.name, {"digest": digest[:SHORT]}, after)
        return saved


def told(error: desks.Faulty) -> str:
    """All problems, each with line and column."""
    return "; ".join(str(one) for one in error.problems[:MOST_TOLD])
