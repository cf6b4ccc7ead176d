"""The presets that come with the program: each one is complete, and usable as `{preset: name}`."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from switchman.addons.config.configuration import well_known
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.servers.servers import KeepAlive
from switchman.addons.core.servers.urls import join

ROOT = Path(__file__).parents[2]
NAMES = (
    "openai", "anthropic", "azure", "openrouter", "groq", "mistral", "gemini", "deepseek", "together", "vllm",
    "llama.cpp", "lm-studio", "ollama",
)  # fmt: skip
ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=False, model_map={}, request_timeout=3000.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip


def rules_of(server: dict[str, object], env: dict[str, str] | None = None, **more: object) -> Ruleset:
    return parse_ruleset(json.dumps({"servers": {"s": server}, **more}), "r", ENVIRONMENT, env or {}, well_known())


def test_every_promised_preset_is_there() -> None:
    """The names of the documentation, in its order."""
    assert tuple(well_known()) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "azure"])
def test_a_preset_alone_makes_a_server(name: str) -> None:
    """URL, dialect and quirks are the preset's; there is no warning."""
    rules = rules_of({"preset": name})
    server, preset = rules.servers["s"], well_known()[name]
    assert str(server.url) == preset.url
    assert (server.dialect, server.also, server.api_key) == (preset.dialect, preset.also, None)
    assert rules.warnings == ()


def test_azures_preset_needs_the_url_of_its_customer() -> None:
    """A line says so; with it the paths, the version and the key are Azure's."""
    with pytest.raises(RulesError, match=r"the preset azure needs a url as well, such as https://RESOURCE\.openai"):
        rules_of({"preset": "azure"})
    env = {"AZURE_OPENAI_API_KEY": "k"}
    server = rules_of({"preset": "azure", "url": "https://r.example/?api-version=v"}, env).servers["s"]
    assert (server.path, server.dialect, server.url.query) == ("azure", "openai", "api-version=v")
    assert server.api_key is not None and server.api_key.get_secret_value() == "k"
    assert rules_of({"preset": "azure", "url": "https://r.example", "path": "as_is"}).servers["s"].path == "as_is"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai", "https://api.openai.com/v1/chat/completions"),
        ("groq", "https://api.groq.com/openai/v1/chat/completions"),
        ("openrouter", "https://openrouter.ai/api/v1/chat/completions"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"),
        ("deepseek", "https://api.deepseek.com/v1/chat/completions"),
        ("ollama", "http://localhost:11434/v1/chat/completions"),
    ],
)
def test_an_openai_chat_goes_where_the_vendor_documents_it(name: str, url: str) -> None:
    """The base URL and the path of a chat completion, joined."""
    server = rules_of({"preset": name}).servers["s"]
    assert f"{server.url.scheme}://{server.url.authority}" + join(server.url, "/v1/chat/completions") == url


def test_the_usual_variable_is_the_key_where_it_is_set() -> None:
    """GROQ_API_KEY for groq; blank is as good as not set; an api_key of the file wins."""
    env = {"GROQ_API_KEY": "usual", "OTHER": "other"}
    key = rules_of({"preset": "groq"}, env).servers["s"].api_key
    assert key is not None
    assert key.get_secret_value() == "usual"
    assert rules_of({"preset": "groq"}, {"GROQ_API_KEY": " "}).servers["s"].api_key is None
    key = rules_of({"preset": "groq", "api_key": "env:OTHER"}, env).servers["s"].api_key
    assert key is not None
    assert key.get_secret_value() == "other"


def test_any_key_can_be_overridden() -> None:
    """URL, dialect (which then is all it speaks), single quirks; the rest stays the preset's."""
    server = rules_of(
        {"preset": "mistral", "url": "http://h:1/v1", "quirks": {"effort_none": True}, "forward_auth": False}
    ).servers["s"]
    assert str(server.url) == "http://h:1/v1"
    assert (server.quirks.effort_none, server.quirks.usage_in_stream) == (True, False)
    assert not server.forward_auth
    server = rules_of({"preset": "ollama", "dialect": "ollama"}).servers["s"]
    assert (server.dialect, server.also) == ("ollama", ())


def test_an_unknown_preset_names_the_nearest_one() -> None:
    """With its place, and all there are."""
    with pytest.raises(RulesError) as caught:
        rules_of({"preset": "grok"})
    (problem,) = caught.value.problems
    assert problem.key == "servers.s.preset"
    assert "no preset is named 'grok'; did you mean 'groq'?; the presets are: openai, anthropic" in problem.message


def test_a_server_has_a_url_or_a_preset() -> None:
    """Neither is an error that says so."""
    with pytest.raises(RulesError, match="expected url or preset"):
        rules_of({"dialect": "openai"})


def test_keepalive_of_a_server_wins_over_the_general_one() -> None:
    """Member by member; servers without a name have the general one."""
    general = {"after": 5, "before_answer": True}
    rules = rules_of({"url": "http://h", "keepalive": {"after": 7}}, keepalive=general)
    assert rules.servers["s"].keepalive == KeepAlive(7, True)
    assert rules.default.keepalive == KeepAlive(5, True)
    assert rules_of({"url": "http://h"}).servers["s"].keepalive == KeepAlive(30, False)


def test_the_documentation_has_the_tables() -> None:
    """The READMEs of the two rooms hold what rules/presets.yaml and dialects/neutral/limits.py say."""
    tables = runpy.run_path(str(ROOT / "scripts/tables.py"))["TABLES"]
    assert tables["presets"]() in (ROOT / "rules/README.md").read_text()
    assert tables["fields"]() in (ROOT / "addons/core/dialects/README.md").read_text()
