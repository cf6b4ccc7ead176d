"""The fields of a server's form, and what the file then has: keys that it does not know stay as they are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.rules.presets import Preset
from switchman.addons.core.servers.reaching.references import is_reference
from switchman.webui.looks.marked import N_
from switchman.webui.pages.servers import differing
from switchman.webui.pages.servers.differing import Fault

TEXTS: Final = ("preset", "url", "dialect", "api_key", "proxy")
DEADLINES: Final = ("connect", "first_byte", "idle", "total")
ANSWERS: Final = ("forward_auth", "pass_through")  # yes, no, or not said
NAMES: Final = (*TEXTS, *DEADLINES, *ANSWERS, "free", *differing.NAMES)
COSTS: Final = ("input_cost", "output_cost", "cached_cost")
_ANSWER: Final = {"True": "yes", "False": "no"}
MODALITIES: Final = ("text", "vision", "audio", "video", "tools", "image")


def shown(written: Mapping[str, Any] | None, preset_name: str, preset: Preset | None) -> dict[str, str]:
    """What stands in the form: of a server that is there, or of a new one by a preset."""
    if written is None:
        given = {"preset": preset_name} if preset is not None else {}
        found = dict.fromkeys(NAMES, "") | given
        if preset is not None:
            key = f"env:{preset.api_key_env}" if preset.api_key_env else ""
            found |= {"url": preset.url or "", "dialect": preset.dialect, "api_key": key}
        return found
    found = {name: str(written.get(name) or "") for name in TEXTS}
    timeout = written.get("timeout")
    deadlines = timeout if isinstance(timeout, dict) else {}
    found |= {name: _number(deadlines.get(name)) for name in DEADLINES}
    found |= {name: _ANSWER.get(str(written.get(name)), "") for name in ANSWERS}
    return found | {"free": "1" if written.get("free") else ""} | differing.shown(written)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def written(given: Mapping[str, str], before: Any, presets: Mapping[str, Preset]) -> dict[str, Any] | str:
    """The server as the file would have it. `before`: as it has it, None for a new one. Raises Fault."""
    made: dict[str, Any] = {"url": before} if isinstance(before, str) else dict(before or {})
    old = dict(made)
    preset = presets.get(given.get("preset", ""))
    for name in TEXTS:
        _put(made, name, given.get(name, "").strip())
    if preset is not None:  # what the preset says anyway is not said again
        usual = {"url": preset.url, "dialect": preset.dialect, "api_key": f"env:{preset.api_key_env}"}
        for name, value in usual.items():
            if name in made and name not in old and made[name] == value:
                del made[name]
    _check_key(made, old)
    for name in ANSWERS:
        _put(made, name, {"yes": True, "no": False}.get(given.get(name, "")))
    if bool(given.get("free")) != bool(old.get("free")):
        _put(made, "free", bool(given.get("free")) or None)
    timeout = dict(made.get("timeout") or {})
    for name in DEADLINES:
        _put(timeout, name, number(given, name))
    _put(made, "timeout", timeout)
    differing.put(made, given)
    return made["url"] if isinstance(before, str) and set(made) == {"url"} else made


def _put(made: dict[str, Any], name: str, value: Any) -> None:
    """Nothing takes a key out."""
    if value is None or value == "" or value == {}:
        made.pop(name, None)
    else:
        made[name] = value


def _check_key(made: dict[str, Any], old: dict[str, Any]) -> None:
    key = made.get("api_key")
    if key is not None and key != old.get("api_key") and not is_reference(key):
        raise Fault(
            "api_key", N_("write where the key is, as env:NAME, file:PATH or vault:NAME: a key has no place in a file")
        )


def number(given: Mapping[str, str], name: str) -> int | float | None:
    """Raises Fault for what is no number."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise Fault(name, N_("expected a number")) from None
    if value != value or abs(value) > 1e12:
        raise Fault(name, N_("expected a number"))
    return int(value) if value == int(value) else value


def facts(given: Mapping[str, str], modalities: list[str], before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The facts of a model as `models:` would have them; None for none at all. Raises Fault."""
    made = dict(before or {})
    for name in ("context", *COSTS):
        _put(made, name, number(given, name))
    chosen = [one for one in MODALITIES if one in modalities]
    if chosen != [one for one in MODALITIES if one in (made.get("modalities") or ())]:
        made.pop("modalities", None)
        if chosen:
            made["modalities"] = chosen
    return made or None
