"""What a server's form has of its headers, its certificates, and how it differs from its dialect's reference. Pure.

A header's value that is a secret stands in the file as a reference only, or stays as it was: the form has a word in its
place (config/editing/hidden.py), which goes back to where it stood and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from switchman.addons.config.editing.hidden import WORD
from switchman.addons.core.servers.models.thinkers import ThinkingSwitch
from switchman.addons.core.servers.reaching.references import is_reference
from switchman.addons.core.texts.masking import is_secret_header
from switchman.webui.looks.marked import N_

FILES: Final = ("ca", "client_cert", "client_key")  # of `tls`
# Each flag of QuirksFile (core/rules/rulesfile.py), as a question.
FLAGS: Final = {
    "max_completion_tokens": N_("It refuses max_tokens, and takes max_completion_tokens"),
    "sampling_extensions": N_("It takes top_k, min_p and repetition_penalty, too"),
    "effort_none": N_("It takes the reasoning effort none"),
    "usage_in_stream": N_("It takes stream_options, which asks for the usage of a stream"),
    "has_responses": N_("It has the Responses API"),
    "developer_role": N_("It knows the role developer"),
    "openai_fields": N_("It takes OpenAI's further fields, such as metadata and store"),
    "narrow_schemas": N_("It refuses much of JSON Schema, as Gemini does"),
}
SWITCHES: Final[tuple[str, ...]] = get_args(ThinkingSwitch)
NAMES: Final = (
    "headers",
    "tls_verify",
    "thinking_switch",
    *(f"tls_{name}" for name in FILES),
    *(f"quirk_{name}" for name in FLAGS),
)
_ANSWER: Final[dict[Any, str]] = {True: "yes", False: "no"}


class Fault(ValueError):
    """A field is not as it must be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def shown(written: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a server as the file has it."""
    headers, tls, quirks = (_mapping(written, name) for name in ("headers", "tls", "quirks"))
    return {
        "headers": "\n".join(f"{name}: {value}" for name, value in headers.items()),
        "tls_verify": "no" if tls.get("verify") is False else "",
        "thinking_switch": str(quirks.get("thinking_switch") or ""),
        **{f"tls_{name}": str(tls.get(name) or "") for name in FILES},
        **{f"quirk_{name}": _ANSWER.get(quirks.get(name), "") for name in FLAGS},
    }


def put(made: dict[str, Any], given: Mapping[str, str]) -> None:
    """Change `headers`, `tls` and `quirks` of a server as the form says; what it does not say stays. Raises Fault."""
    before = shown(made)
    changed = {name for name in NAMES if name in given and _plain(given[name]) != before[name]}
    if "headers" in changed:
        _set(made, "headers", _headers(given["headers"], _mapping(made, "headers")))
    tls, quirks = dict(_mapping(made, "tls")), dict(_mapping(made, "quirks"))
    for name in FILES:
        if f"tls_{name}" in changed:
            _set(tls, name, given[f"tls_{name}"].strip())
    if "tls_verify" in changed:
        _set(tls, "verify", False if given["tls_verify"] == "no" else None)
    for name in FLAGS:
        if f"quirk_{name}" in changed:
            _set(quirks, name, {"yes": True, "no": False}.get(given[f"quirk_{name}"]))
    if "thinking_switch" in changed:
        _set(quirks, "thinking_switch", given["thinking_switch"] if given["thinking_switch"] in SWITCHES else None)
    for section, values in (("tls", tls), ("quirks", quirks)):
        if values != _mapping(made, section):
            _set(made, section, values)


def _headers(text: str, before: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name or not value:
            raise Fault("headers", N_("write one header a line, as name: value"))
        if name.lower() in map(str.lower, made):
            raise Fault("headers", N_("a header is there twice: write its values in one line, with commas between"))
        old = before.get(name)
        made[name] = old if str(old) == value else value
        if made[name] is not old and _is_secret(name, value):
            raise Fault(
                "headers",
                N_("write where a secret is, as env:NAME, file:PATH or vault:NAME: a key has no place in a file"),
            )
    return made


def _is_secret(name: str, value: str) -> bool:
    """A secret that is written out, or a word that stands for one which was elsewhere."""
    if WORD.search(value):
        return True
    return not is_reference(value) and is_secret_header(name, value)


def _mapping(written: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = written.get(name)
    return found if isinstance(found, dict) else {}


def _plain(text: str) -> str:
    """As browsers send a text area."""
    return text.replace("\r\n", "\n").strip()


def _set(made: dict[str, Any], name: str, value: Any) -> None:
    """Nothing takes a key out."""
    if value is None or value == "" or value == {}:
        made.pop(name, None)
    else:
        made[name] = value
