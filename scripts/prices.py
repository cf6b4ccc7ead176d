#!/usr/bin/env python3
"""Make rules/prices.json from LiteLLM's published price list, trimmed to the providers and models that people use.

    scripts/prices LIST [DATE]

LIST is model_prices_and_context_window.json, or a wheel of litellm, which holds it; DATE is the day it was read, today
if not given. Only figures are taken, and where each is from. A figure that is not plausible is told, and its entry is
left out: a model without a price is better than one with a wrong one.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).resolve().parent.parent / "rules" / "prices.json"
LIST: Final = "litellm/model_prices_and_context_window_backup.json"
LITELLM: Final = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"

# By the names of our presets: LiteLLM's name, its prefix of models, the provider's hosts, what its tools cost a use.
# Tools whose use is charged otherwise (a container's time, a picture's tokens) have no price: they are not known.
PROVIDERS: Final[dict[str, dict[str, Any]]] = {
    "openai": {"as": ("openai", "text-completion-openai"), "hosts": ["api.openai.com"], "tools": {
        "file_search": 0.0025}},
    "anthropic": {"as": ("anthropic",), "hosts": ["api.anthropic.com"], "tools": {"web_search": 0.01, "web_fetch": 0}},
    "gemini": {"as": ("gemini",), "hosts": ["generativelanguage.googleapis.com"]},
    "deepseek": {"as": ("deepseek",), "hosts": ["api.deepseek.com"]},
    "mistral": {"as": ("mistral",), "hosts": ["api.mistral.ai"]},
    "xai": {"as": ("xai",), "hosts": ["api.x.ai"], "states": True},
    "groq": {"as": ("groq",), "hosts": ["api.groq.com"]},
    "together": {"as": ("together_ai",), "hosts": ["api.together.xyz", "api.together.ai"]},
    "openrouter": {"as": ("openrouter",), "hosts": ["openrouter.ai"], "states": True},
}  # fmt: skip

MODES: Final = ("chat", "responses", "completion", "embedding", "image_generation", "audio_transcription", "moderation")
# Models whose price is not that of their tokens alone: each answer holds a search, which its usage does not tell.
HIDDEN_USES: Final = re.compile(r"search|deep-research|lyria|veo-|sora")
SIZES: Final = re.compile(r"^together-ai-|^\d+-x-|^(low|medium|high|standard|hd)/")  # no names of models

FIGURES: Final = {
    "input": "input_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "audio_in": "input_cost_per_audio_token",
    "audio_cached": "cache_read_input_audio_token_cost",
    "image_in": "input_cost_per_image_token",
    "image_cached": "cache_read_input_image_token_cost",
    "output": "output_cost_per_token",
    "reasoning": "output_cost_per_reasoning_token",
    "audio_out": "output_cost_per_audio_token",
    "image_out": "output_cost_per_image_token",
}
LONGER: Final = "cache_creation_input_token_cost_above_12hr"  # OpenAI's for cache_write_1h
SERVICES: Final = ("flex", "priority", "ultrafast")
ABOVE: Final = re.compile(r"^input_cost_per_token_above_(\d+)k_tokens$")
MOST: Final = 1000  # dollars per million tokens

Row = dict[str, Any]


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write(__doc__ or "")
        return 2
    listed, source = read(Path(arguments[0]))
    date = arguments[1] if len(arguments) > 1 else datetime.now(UTC).date().isoformat()
    table, problems = made(listed, source, date)
    for problem in problems:
        sys.stderr.write(f"left out: {problem}\n")
    TARGET.write_text(written(table), encoding="utf-8")
    count = sum(len(rows["models"]) for rows in table["providers"].values())
    sys.stdout.write(f"{TARGET}: {count} prices, {len(problems)} left out\n")
    return 0


def read(path: Path) -> tuple[Mapping[str, Row], str]:
    """The list, and what to call it."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            text = wheel.read(LIST).decode()
        name = "-".join(path.name.split("-")[:2])
    else:
        text, name = path.read_text(encoding="utf-8"), path.name
    return json.loads(text, parse_float=Decimal, parse_int=Decimal), f"{LITELLM} ({name})"


def made(listed: Mapping[str, Row], source: str, date: str) -> tuple[Row, list[str]]:
    """The table, and why entries were left out."""
    problems: list[str] = []
    table: Row = {
        "about": "What providers charge, in dollars: per million tokens; per picture (images), per second of audio "
        "(audio_s), per use of a tool (tools). Made by scripts/prices; models: in the rules file overrides it.",
        "source": source,
        "date": date,
        "providers": {},
    }
    for provider, facts in PROVIDERS.items():
        rows: dict[str, Row] = {}
        for key, entry in listed.items():
            if entry.get("litellm_provider") not in facts["as"] or not _is_wanted(key, entry):
                continue
            name = named(key, facts["as"])
            row = row_of(entry)
            if faults := list(implausible(row)):
                problems.append(f"{provider} {name}: {'; '.join(faults)}")
            elif not row or (name in rows and _figures(rows[name]) == _figures(row)):
                continue
            elif name in rows:
                problems.append(f"{provider} {name}: listed twice, with two prices; the one under its prefix stays")
                rows[name] = row if key != name else rows[name]
            else:
                rows[name] = row
        head: dict[str, Any] = {name: facts[name] for name in ("hosts", "states", "tools") if name in facts}
        table["providers"][provider] = {**head, "models": dict(sorted(trimmed(rows).items()))}
    return table, problems


def _is_wanted(key: str, entry: Row) -> bool:
    return entry.get("mode") in MODES and not HIDDEN_USES.search(key) and not SIZES.search(key)


def named(key: str, prefixes: Iterable[str]) -> str:
    """The model's name at its provider, in lower case, as names are compared."""
    for prefix in prefixes:
        key = key.removeprefix(f"{prefix}/")
    return key.lower()


def row_of(entry: Row) -> Row:
    """Our entry for one of theirs; an empty one where it has no price that we can use."""
    row = figures(entry)
    if entry["mode"] != "moderation" and not any(row.values()):
        row = {}  # free for a time, or not filled in: not known
    if entry["mode"] == "image_generation" and "image_out" not in row and "output" not in row:
        row |= _by_picture(entry)
    if entry["mode"] == "audio_transcription" and not row and entry.get("input_cost_per_second"):
        row["audio_s"] = entry["input_cost_per_second"]
    if not row:
        return {}
    row |= _nested(entry, row)
    searches = set((entry.get("search_context_cost_per_query") or {}).values())
    if len(searches) == 1 and entry["litellm_provider"] in ("openai", "xai", "groq"):
        row["tools"] = {"web_search": searches.pop()}
    source = entry.get("source", "")
    return {**row, "from": source if source.startswith("https://") else "LiteLLM"}


def figures(entry: Row, band: str = "", service: str = "") -> Row:
    """The figures per million tokens, of a band and a service."""
    found: Row = {}
    for part, name in FIGURES.items():
        each = entry.get(f"{name}{band}{service}")
        if each is None and part == "cache_write_1h":
            each = entry.get(f"{LONGER}{band}{service}")
        if each or (each is not None and not part.startswith("cache_write")):  # there, nothing says so
            found[part] = each * 1_000_000
    for part, usual in (("reasoning", "output"), ("image_in", "input"), ("image_cached", "cached")):
        if part in found and found[part] == found.get(usual):
            del found[part]  # that is what it is taken for anyway
    return found


def _by_picture(entry: Row) -> Row:
    names = [name for name in entry if name.startswith("output_cost_per_image")]
    each = entry.get("output_cost_per_image") or entry.get("input_cost_per_image")
    return {"images": each} if each and len(names) <= 1 else {}


def _nested(entry: Row, row: Row) -> Row:
    """Bands by length, services, and hours."""
    more: Row = {}
    sizes = sorted(int(found[1]) for name in entry if (found := ABOVE.match(name)))
    if bands := {str(size * 1000): figures(entry, f"_above_{size}k_tokens") for size in sizes}:
        more["bands"] = bands
    services: Row = {}
    for service in SERVICES:
        if own := figures(entry, service=f"_{service}"):
            # Of a length for which the list has no price of this service, none is known.
            longer = {str(size * 1000): figures(entry, f"_above_{size}k_tokens", f"_{service}") for size in sizes}
            services[service] = {**own, **({"bands": longer} if longer else {})}
    for service, factor in (entry.get("provider_specific_entry") or {}).items():
        if service in ("us", "fast"):  # Anthropic's: a factor on all there is
            services[service] = _times(factor, {**row, **({"bands": bands} if bands else {})})
    if services:
        more["services"] = services
    if cheaper := entry.get("off_peak_pricing"):
        more["off_peak"] = {**figures(cheaper), "at": list(_hours(cheaper["windows"]))}
    return more


def _times(factor: Decimal, row: Row) -> Row:
    times = {name: each * factor for name, each in row.items() if isinstance(each, Decimal)}
    bands = {above: _times(factor, more) for above, more in row.get("bands", {}).items()}
    return {**times, **({"bands": bands} if bands else {})}


def _hours(windows: Iterable[Row]) -> Iterator[Row]:
    for window in windows:
        hours = window["hours_utc"]
        for each in [hours] if isinstance(hours, str) else hours:
            yield {"days": [int(day) for day in window["weekdays"]], "hours": each}


def implausible(row: Row, base: Row | None = None) -> Iterator[str]:
    """What cannot be right about a row. `base`: the row whose band it is."""
    for part, each in row.items():
        if isinstance(each, Decimal):
            if not 0 <= each <= MOST:
                yield f"{part} costs {each}"
            if (each * 1_000_000) % 1 and part != "audio_s":
                yield f"{part} has more than six decimals: {each}"
            if base is not None and each < base.get(part, 0):
                yield f"{part} is cheaper for more tokens"
    yield from _disordered(row)
    for more in row.get("bands", {}).values():
        yield from implausible(more, row)
    for service, more in row.get("services", {}).items():
        yield from (f"{service}: {fault}" for fault in implausible(more))
        if service != "flex" and more.get("input", MOST) < row.get("input", 0):
            yield f"{service} costs less than usual"
    if (cheaper := row.get("off_peak")) and cheaper.get("input", 0) > row.get("input", 0):
        yield "off-peak costs more"


def _disordered(row: Row) -> Iterator[str]:
    usual, cheap = row.get("input"), row.get("cached")
    brief, lasting = row.get("cache_write_5m"), row.get("cache_write_1h")
    if cheap is not None and usual is not None and cheap > usual:
        yield "what is cached costs more than what is not"
    if brief and usual is not None and brief < usual:
        yield "to write to the cache costs less than to read without"
    if brief and lasting is not None and lasting < brief:
        yield "to keep for longer costs less"


VERSION: Final = re.compile(
    r"(?:-latest|[-@]20\d\d-?[01]\d-?[0-3]\d)$|-0\d\d$"
)  # as core/access/prices/table.py has it


def trimmed(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows without versions of a model that cost what the model does: they are found by its name."""
    return {
        name: row
        for name, row in rows.items()
        if (bare := VERSION.sub("", name)) == name or bare not in rows or _figures(rows[bare]) != _figures(row)
    }


def _figures(row: Row) -> Row:
    return {name: each for name, each in row.items() if name != "from"}


def written(table: Row) -> str:
    """JSON with a line to a model, so that a change of price is a change of one line."""
    lines = ["{"]
    lines += [f"  {json.dumps(name)}: {_json(table[name])}," for name in ("about", "source", "date")]
    lines.append('  "providers": {')
    for number, (provider, rows) in enumerate(table["providers"].items()):
        head = "".join(f"{json.dumps(name)}: {_json(rows[name])}, " for name in rows if name != "models")
        lines.append(f'    {json.dumps(provider)}: {{{head}"models": {{')
        models = [f"      {json.dumps(name)}: {_json(row)}" for name, row in rows["models"].items()]
        lines += [f"{line}," for line in models[:-1]] + models[-1:]
        lines.append("    }}" + ("," if number < len(table["providers"]) - 1 else ""))
    return "\n".join([*lines, "  }", "}"]) + "\n"


def _json(value: Any) -> str:
    return json.dumps(_plain(value), separators=(", ", ": "))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(round(value, 9))
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
