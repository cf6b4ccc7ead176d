"""scripts/prices makes the table from LiteLLM's list, and leaves out what is not plausible."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

LISTED: dict[str, dict[str, Any]] = {
    "good": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06,
             "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06, "source": "https://x.example",
             "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_flex": 5e-06},
    "good-2026-01-31": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06,
                        "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06,
                        "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_flex": 5e-06},
    "good-2025-01-31": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 5e-06,
                        "output_cost_per_token": 1.5e-05, "source": "a sentence of theirs"},
    "dear": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5, "output_cost_per_token": 1e-05},
    "odd": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 2e-06},
    "unset": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0},
    "searching-search-api": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06},
    "moves": {"litellm_provider": "openai", "mode": "video_generation", "output_cost_per_second": 0.1},
    "elsewhere": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 1e-06},
    "gemini/Long": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1.25e-06,
                    "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token": 1e-05,
                    "output_cost_per_token_above_200k_tokens": 1.5e-05},
    "claude": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 1e-06,
               "output_cost_per_token": 5e-06, "cache_creation_input_token_cost": 1.25e-06,
               "cache_creation_input_token_cost_above_1hr": 2e-06, "provider_specific_entry": {"us": 1.1}},
    "heard": {"litellm_provider": "openai", "mode": "audio_transcription", "input_cost_per_second": 0.0001},
    "xai/drawn": {"litellm_provider": "xai", "mode": "image_generation", "input_cost_per_image": 0.02},
}  # fmt: skip


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prices_script", ROOT / "scripts/prices.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_is_made(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the list, or from a wheel that holds it; figures only, a line to a model."""
    target = tmp_path / "prices.json"
    monkeypatch.setattr(script, "TARGET", target)
    wheel = tmp_path / "litellm-1.2.3-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr(script.LIST, json.dumps(LISTED))
    assert script.main([str(wheel), "2026-11-30"]) == 0
    table = json.loads(target.read_text())
    assert table["date"] == "2026-11-30" and table["source"].endswith("(litellm-1.2.3)")
    providers = {name: rows["models"] for name, rows in table["providers"].items()}
    assert providers["openai"] == {
        "good": {"input": 2.5, "cached": 1.25, "output": 10, "services": {"flex": {"input": 1.25, "output": 5}},
                 "from": "https://x.example"},
        "good-2025-01-31": {"input": 5, "output": 15, "from": "LiteLLM"},
        "heard": {"audio_s": 0.0001, "from": "LiteLLM"},
    }  # fmt: skip
    assert providers["gemini"] == {
        "long": {"input": 1.25, "output": 10, "bands": {"200000": {"input": 2.5, "output": 15}}, "from": "LiteLLM"}
    }
    us = {"input": 1.1, "cache_write_5m": 1.375, "cache_write_1h": 2.2, "output": 5.5}
    assert providers["anthropic"]["claude"]["services"] == {"us": us}
    assert providers["xai"] == {"drawn": {"images": 0.02, "from": "LiteLLM"}}
    assert "sentence" not in target.read_text()
    assert sum('"from"' in line for line in target.read_text().splitlines()) == 6


def test_what_is_not_plausible_is_told(script: ModuleType) -> None:
    """With the reason, and left out."""
    listed = json.loads(json.dumps(LISTED), parse_float=Decimal, parse_int=Decimal)
    table, problems = script.made(listed, "x", "2026-11-30")
    assert [problem.partition(":")[0] for problem in problems] == ["openai dear", "openai odd"]
    assert not {"dear", "odd"} & set(table["providers"]["openai"]["models"])


def test_the_shipped_table_is_what_the_script_writes(script: ModuleType) -> None:
    """It was not edited by hand: what is read and written again is the same text."""
    path = ROOT / "rules/prices.json"
    assert script.written(json.loads(path.read_text())) == path.read_text()


def test_how_it_is_called(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a list it says what it wants."""
    assert script.main([]) == 2
    assert "scripts/prices LIST" in capsys.readouterr().err
