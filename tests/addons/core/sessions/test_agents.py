"""Which agent sent a request, by what each of them says of itself."""

from __future__ import annotations

import pytest

from switchman.addons.core.sessions.agents import NAMES, agent_of, name_of

SIGNS = [
    ({"user-agent": "claude-cli/2.1.197 (external, sdk-cli)"}, "claude-code"),
    ({"user-agent": "curl/8", "x-claude-code-session-id": "s"}, "claude-code"),
    ({"user-agent": "codex_exec/0.171.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.171.0)"}, "codex"),
    ({"user-agent": "codex-tui/0.149.1 (Mac OS 15) Orca/1.4"}, "codex"),
    ({"user-agent": "Codex Desktop/0.150.0-alpha.8 (Mac OS)"}, "codex"),
    ({"user-agent": "codex_cli_rs/0.38.0 (Ubuntu 24.4; x86_64)"}, "codex"),
    ({"user-agent": "reqwest", "originator": "codex_vscode"}, "codex"),
    ({"user-agent": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14"}, "opencode"),
    ({"user-agent": "ai-sdk/openai-compatible/1.0 opencode/1.2"}, "opencode"),
    ({"user-agent": "QwenCode/0.15.10 (linux; x64)"}, "qwen-code"),
    ({"user-agent": "GeminiCLI/v0.8.0 (linux; x64)"}, "gemini-cli"),
    ({"user-agent": "Cursor/1.4.2"}, "cursor"),
    ({"user-agent": "OpenAI/JS 5.11.0", "x-title": "Cline", "http-referer": "https://cline.bot"}, "cline"),
    ({"user-agent": "Cline/3.0.47"}, "cline"),
    ({"user-agent": "RooCode/3.51.1"}, "roo-code"),
    ({"user-agent": "OpenAI/JS 5.1", "x-kilocode-taskid": "t"}, "kilo-code"),
    ({"user-agent": "OpenAI/JS 5.1", "http-referer": "https://www.continue.dev/"}, "continue"),
    ({"user-agent": "OpenAI/JS 6.1", "x-title": "OpenClaw"}, "openclaw"),
    ({"user-agent": "GitHubCopilotChat/0.26.7"}, "copilot"),
    ({"user-agent": "Charm-Crush/0.4.2"}, "crush"),
    ({"user-agent": "pi (darwin 24.6.0; arm64)"}, "pi"),
    ({"user-agent": "OpenAI/Python 2.20.0"}, "openai-python"),
    ({"user-agent": "AsyncOpenAI/Python 2.20.0"}, "openai-python"),
    ({"user-agent": "AzureOpenAI/Python 2.20.0"}, "openai-python"),
    ({"user-agent": "OpenAI/JS 6.40.0"}, "openai-js"),
    ({"user-agent": "Anthropic/Python 0.70.0"}, "anthropic-python"),
    ({"user-agent": "Anthropic/JS 0.94.0"}, "anthropic-js"),
    ({"user-agent": "ollama-python/0.6.0 (x86_64 linux) Python/3.12.1"}, "ollama-python"),
    ({"user-agent": "ollama/0.9 (amd64 linux)"}, "ollama"),
    ({"user-agent": "curl/8.14.1"}, "curl"),
    ({"user-agent": "python-httpx/0.28.1"}, "python"),
    ({"user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, "browser"),
    ({}, None),
    ({"user-agent": ""}, None),
    ({"user-agent": "codexa/1.0"}, None),
    ({"user-agent": "pip/25.0"}, None),
    ({"user-agent": "MyCherryStudio/x"}, None),
    ({"user-agent": "never-heard-of/1"}, None),
    ({"user-agent": "x" * 100_000}, None),
]


@pytest.mark.parametrize(("fields", "agent"), SIGNS)
def test_an_agent_is_known_by_its_signs(fields: dict[str, str], agent: str | None) -> None:
    """Its own fields come before its User-Agent; what only looks like one is none."""
    assert agent_of(fields) == agent
    assert agent is None or agent in NAMES


@pytest.mark.parametrize(("system", "agent"), [
    ("Act as an expert software developer.\nAlways use best practices when coding.\nRespect", "aider"),
    ("You are Cline, a highly skilled software engineer", "cline"),
    ("You are a personal assistant running inside OpenClaw.", "openclaw"),
    ("You are a helpful assistant. You are Cline", "openai-python"),
])  # fmt: skip
def test_behind_an_sdk_the_prompt_tells(system: str, agent: str) -> None:
    """Aider and others send what the SDK does that they are made with; only how the prompt begins counts."""
    assert agent_of({"user-agent": "OpenAI/Python 2.20.0"}, system) == agent


def test_an_agent_that_names_itself_is_not_taken_for_the_one_it_talks_about() -> None:
    """What stands in the prompt counts only where the client has no name of its own."""
    assert agent_of({"user-agent": "opencode/1.2"}, "You are Claude Code, Anthropic's official CLI") == "opencode"


def test_each_has_a_name_for_people() -> None:
    """And what is not known has none."""
    assert name_of("claude-code") == "Claude Code" and name_of(None) == "" and name_of("other") == "other"
