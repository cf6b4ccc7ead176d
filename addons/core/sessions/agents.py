"""Which agent sent a request, by what it says of itself: header fields of its own first, then User-Agent, then prompt.

    agent_of(fields, beginning_of_prompt) -> "claude-code", "codex", ..., "openai-python", ...; None: not known

Nothing is decided by it: it is a name in a list, and anybody can say it. As seen in requests of Claude Code 2.1, Codex
0.171, OpenCode 1.18, Qwen Code 0.15 and Aider 0.86, else in the agents' public sources (Cline, Roo Code, Kilo Code,
Copilot Chat, Gemini CLI, Crush and others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# As the field `agent` has it -> for a person.
NAMES: Final[Mapping[str, str]] = {
    "claude-code": "Claude Code",
    "claude-agent-sdk": "Claude Agent SDK",
    "codex": "Codex",
    "opencode": "OpenCode",
    "qwen-code": "Qwen Code",
    "gemini-cli": "Gemini CLI",
    "cursor": "Cursor",
    "continue": "Continue",
    "openclaw": "OpenClaw",
    "cline": "Cline",
    "roo-code": "Roo Code",
    "kilo-code": "Kilo Code",
    "aider": "Aider",
    "copilot": "GitHub Copilot",
    "crush": "Crush",
    "goose": "Goose",
    "openhands": "OpenHands",
    "zed": "Zed",
    "pi": "Pi",
    "open-webui": "Open WebUI",
    "cherry-studio": "Cherry Studio",
    "openai-python": "OpenAI SDK (Python)",
    "openai-js": "OpenAI SDK (JavaScript)",
    "anthropic-python": "Anthropic SDK (Python)",
    "anthropic-js": "Anthropic SDK (JavaScript)",
    "ollama-python": "Ollama (Python)",
    "ollama-js": "Ollama (JavaScript)",
    "ollama": "Ollama",
    "ai-sdk": "AI SDK",
    "litellm": "LiteLLM",
    "langchain": "LangChain",
    "curl": "curl",
    "python": "Python",
    "javascript": "JavaScript",
    "go": "Go",
    "browser": "Browser",
}

# Names of header fields that only one agent sends.
_FIELDS: Final[Mapping[str, str]] = {
    "x-claude-code-session-id": "claude-code",
    "x-claude-code-agent-id": "claude-code",
    "x-codex-window-id": "codex",
    "x-codex-turn-metadata": "codex",
    "x-codex-installation-id": "codex",
    "x-codex-parent-thread-id": "codex",
    "x-kilocode-taskid": "kilo-code",
    "x-kilocode-version": "kilo-code",
    "x-roo-task-id": "roo-code",
    "x-roo-app-version": "roo-code",
    "x-opencode-session": "opencode",
    "x-opencode-project": "opencode",
    "x-opencode-client": "opencode",
    "x-qwen-code-session-id": "qwen-code",
    "x-openwebui-chat-id": "open-webui",
    "copilot-integration-id": "copilot",
}

# The first product of User-Agent, in lower case; a name is looked for whole, then by how it begins.
_PRODUCTS: Final[Mapping[str, str]] = {
    "claude-cli": "claude-code",
    "claude-code": "claude-code",
    "codex": "codex",
    "opencode": "opencode",
    "qwencode": "qwen-code",
    "geminicli": "gemini-cli",
    "cursor": "cursor",
    "continue": "continue",
    "openclaw": "openclaw",
    "cline": "cline",
    "roocode": "roo-code",
    "kilo-code": "kilo-code",
    "kilocode": "kilo-code",
    "aider": "aider",
    "githubcopilotchat": "copilot",
    "githubcopilot": "copilot",
    "charm-crush": "crush",
    "crush": "crush",
    "goose": "goose",
    "openhands": "openhands",
    "zed": "zed",
    "pi": "pi",
    "cherrystudio": "cherry-studio",
    "open-webui": "open-webui",
    "ollama-python": "ollama-python",
    "ollama-js": "ollama-js",
    "ollama": "ollama",
    "ai": "ai-sdk",
    "ai-sdk": "ai-sdk",
    "litellm": "litellm",
    "langchain": "langchain",
    "curl": "curl",
    "python-requests": "python",
    "python-httpx": "python",
    "python-urllib": "python",
    "python": "python",
    "aiohttp": "python",
    "node": "javascript",
    "node-fetch": "javascript",
    "undici": "javascript",
    "axios": "javascript",
    "bun": "javascript",
    "deno": "javascript",
    "go-http-client": "go",
    "mozilla": "browser",
}
_BEGINNINGS: Final = (("codex_", "codex"), ("codex-", "codex"), ("codex ", "codex"))
# "OpenAI/Python 2.20.0", "AsyncAnthropic/Python 0.70.0", "OpenAI/JS 6.40.0"
_SDK: Final = re.compile(r"(?:async)?(openai|anthropic|azureopenai)/(python|js)\b")
# Further products that tell more than the first one does: an agent in whose User-Agent another program stands first.
_WITHIN: Final = (("claude-cli/", "claude-code"), ("opencode/", "opencode"), ("cursor/", "cursor"), ("zed/", "zed"))

# What agents call themselves to OpenRouter and its like: X-Title, X-OpenRouter-Title, and the page of HTTP-Referer.
_TITLES: Final[Mapping[str, str]] = {
    "cline": "cline", "roo code": "roo-code", "kilo code": "kilo-code", "aider": "aider", "opencode": "opencode",
    "openclaw": "openclaw", "continue": "continue", "cursor": "cursor", "goose": "goose", "openhands": "openhands",
    "open webui": "open-webui", "cherry studio": "cherry-studio", "crush": "crush", "zed": "zed", "zed editor": "zed",
}  # fmt: skip
_PAGES: Final[Mapping[str, str]] = {
    "cline.bot": "cline", "roocode.com": "roo-code", "kilocode.ai": "kilo-code", "kilo.ai": "kilo-code",
    "aider.chat": "aider", "opencode.ai": "opencode", "openclaw.ai": "openclaw", "continue.dev": "continue",
    "cursor.com": "cursor", "openwebui.com": "open-webui", "charm.sh": "crush", "zed.dev": "zed",
}  # fmt: skip

# How the system prompt of an agent begins that otherwise looks like the SDK it is made with.
_OPENINGS: Final = (
    ("You are Claude Code, Anthropic's official CLI", "claude-code"),
    ("You are a Claude agent, built on Anthropic's Claude Agent SDK", "claude-agent-sdk"),
    ("You are a coding agent running in the Codex CLI", "codex"),
    ("You are opencode", "opencode"),
    ("You are Qwen Code", "qwen-code"),
    ("You are Cline", "cline"),
    ("You are Roo", "roo-code"),
    ("You are Kilo Code", "kilo-code"),
    ("You are OpenHands", "openhands"),
    ("You are a personal assistant running inside OpenClaw", "openclaw"),
    ("You are a general-purpose AI agent called goose", "goose"),
    ("You are a powerful agentic AI coding assistant, powered by", "cursor"),
    ("Act as an expert software developer.\nAlways use best practices when coding.", "aider"),
    ("Act as an expert software developer.\nTake requests for changes to the supplied code.", "aider"),
)
_SDKS: Final = frozenset({
    "openai-python", "openai-js", "anthropic-python", "anthropic-js", "ollama-python", "ollama-js", "ai-sdk", "litellm",
    "langchain", "python", "javascript", "go", "browser",
})  # fmt: skip
_LONGEST: Final = 300  # characters of a value that are looked at


def agent_of(fields: Mapping[str, str], system: str = "") -> str | None:
    """One of NAMES. `fields`: header fields by lower-case name. `system`: how the system prompt begins."""
    for name, agent in _FIELDS.items():
        if name in fields:
            return agent
    found = _by_user_agent(fields.get("user-agent", "")[:_LONGEST].strip().lower())
    if found is not None and found not in _SDKS:
        return found
    return _by_title(fields) or _by_opening(system) or _by_originator(fields) or found


def name_of(agent: str | None) -> str:
    """For a person; "" where it is not known."""
    return NAMES.get(agent, agent) if agent else ""


def _by_user_agent(text: str) -> str | None:
    if not text:
        return None
    if (sdk := _SDK.match(text)) is not None:
        return f"{'anthropic' if sdk[1] == 'anthropic' else 'openai'}-{sdk[2]}"
    product = re.split(r"[/ (]", text, maxsplit=1)[0]
    found = _PRODUCTS.get(product)
    if found is None or found in _SDKS:
        inside = next((agent for mark, agent in _WITHIN if mark in text), None)
        found = inside or found
    return found or next((agent for start, agent in _BEGINNINGS if text.startswith(start)), None)


def _by_title(fields: Mapping[str, str]) -> str | None:
    for name in ("x-title", "x-openrouter-title"):
        if (found := _TITLES.get(fields.get(name, "").strip().lower())) is not None:
            return found
    page = fields.get("http-referer", "") or fields.get("referer", "")
    host = page[:_LONGEST].lower().partition("://")[2].partition("/")[0].removeprefix("www.")
    return next((agent for name, agent in _PAGES.items() if host == name or host.endswith("." + name)), None)


def _by_opening(system: str) -> str | None:
    start = system.lstrip()
    return next((agent for words, agent in _OPENINGS if start.startswith(words)), None)


def _by_originator(fields: Mapping[str, str]) -> str | None:
    return "codex" if fields.get("originator", "").lower().startswith("codex") else None
