"""How a conversation begins, in each dialect and of each agent."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.sessions.beginning import LONGEST_SEEN, LONGEST_WORDS, beginning_of

ENV = "Here is useful information\n<env>\nWorking directory: /home/anna/shop\nIs directory a git repo: Yes\n</env>"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("body", [
    {"system": "Be brief.", "messages": [user("Hello")]},
    {"system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1;"},
                {"type": "text", "text": "Be brief."}], "messages": [user("Hello")]},
    {"messages": [{"role": "system", "content": "Be brief."}, user("Hello")]},
    {"messages": [{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}, user("Hello")]},
    {"instructions": "Be brief.", "input": "Hello"},
    {"instructions": "Be brief.", "input": [{"type": "message", "role": "user",
                                             "content": [{"type": "input_text", "text": "Hello"}]}]},
    {"input": [{"role": "developer", "content": "Be brief."}, user("Hello")]},
    {"system": "Be brief.", "prompt": "Hello"},
    {"system": "Be brief.", "messages": [user("<system-reminder>\nBe nice.\n</system-reminder>"), user("Hello")]},
    {"system": "Be brief.", "messages": [user("Hello"), {"role": "assistant", "content": "Hi"}, user("More")]},
])  # fmt: skip
def test_the_beginning_is_the_system_prompt_and_the_first_words(body: dict[str, Any]) -> None:
    """Wherever a dialect has them; what a harness says is no word of the person's."""
    found = beginning_of(body)
    assert (found.system, found.first) == ("Be brief.", "Hello")


@pytest.mark.parametrize("body", [
    {}, {"messages": None}, {"messages": [7, None, {"role": 3, "content": {}}]},
    {"input": [{"type": "function_call_output", "output": "x"}]}, {"system": 7, "messages": [{"role": "user"}]},
])  # fmt: skip
def test_what_has_no_words_has_no_beginning(body: dict[str, Any]) -> None:
    """Whatever else it has."""
    assert beginning_of(body).first == ""


@pytest.mark.parametrize("text", [
    "Here is useful information\n<env>\nWorking directory: /home/anna/shop\nIs directory a git repo: Yes\n</env>",
    "# Environment\n - Primary working directory: /home/anna/shop\n - Platform: linux",
    "<environment_context>\n  <cwd>/home/anna/shop</cwd>\n  <shell>bash</shell>\n</environment_context>",
    "My operating system is: linux\nI'm currently working in the directory: /home/anna/shop\nHere is the folder",
    "<environment_details>\n# Current Working Directory (/home/anna/shop) Files\na.py\n</environment_details>",
    "SYSTEM INFORMATION\nCurrent Working Directory: /home/anna/shop\n",
    "The absolute path of the user's workspace is /home/anna/shop. The user's shell is /bin/bash.",
    "<user_info>\nWorkspace Path: /home/anna/shop\n</user_info>",
    "Your working directory is: /home/anna/shop\nTreat it as",
])  # fmt: skip
@pytest.mark.parametrize("where", ["system", "user"])
def test_the_project_is_where_the_prompt_tells_it(text: str, where: str) -> None:
    """As Claude Code, Codex, Qwen Code, Cline, Cursor and others write it."""
    messages = [user("Do it")] if where == "system" else [user(text), user("Do it")]
    found = beginning_of({"system": text if where == "system" else "Be brief.", "messages": messages})
    assert found.project == "/home/anna/shop"


@pytest.mark.parametrize(("path", "project"), [
    ("C:\\Users\\anna\\shop", "C:\\Users\\anna\\shop"), ("~/shop", "~/shop"), ("`/srv/x`", "/srv/x"),
    ("persists between calls", None), ("", None),
])  # fmt: skip
def test_only_a_path_is_a_project(path: str, project: str | None) -> None:
    """What is said about a working directory names none."""
    assert beginning_of({"system": f"Working directory: {path}\n"}).project == project


def test_aiders_examples_are_no_beginning() -> None:
    """All of its conversations begin with the same ones, and with files that change."""
    body = {"messages": [
        user("Change get_factorial()"), {"role": "assistant", "content": "Ok"},
        user("I switched to a new code base. Please don't consider the above files or try to edit them any longer."),
        user("I have *added these files to the chat* so you can go ahead and edit them.\na.py"),
        user("Fix the bug"),
    ]}  # fmt: skip
    assert beginning_of(body).first == "Fix the bug"


def test_the_beginning_is_read_in_bounded_time() -> None:
    """Of ten million characters only the first ones are looked at."""
    body = {"messages": [user("x" * 1_000_000 + "\nWorking directory: /late\n")] * 10}
    found = beginning_of(body)
    assert len(found.first) == LONGEST_WORDS and found.project is None


def test_words_are_looked_for_in_so_much_text_only() -> None:
    """What harnesses say before them may be as long as a body is; all of it runs on the event loop."""
    said = f"<system-reminder>{'a' * 40_000}</system-reminder>"
    assert beginning_of({"messages": [user(said), user(said), user("Hello")]}).first == "Hello"
    many = [user(said)] * (LONGEST_SEEN // len(said) + 1)
    assert beginning_of({"messages": [*many, user("Hello")]}).first == ""
