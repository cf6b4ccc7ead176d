"""What a provider's own tools did in earlier turns is left out of the history for any other provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.limits import Untranslatable
from switchman.addons.core.dialects.translate import Outbound
from switchman.addons.core.request.call import DialectName

Translate = Callable[..., Outbound]
HI = {"role": "user", "content": "Hi."}
SO = {"role": "user", "content": "So?"}
TEXT = {"type": "text", "text": "It is 5 degrees."}

# Blocks as Anthropic sends them (anthropic-python 0.7x, types/beta).
BLOCKS: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Oslo"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
    {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "web_fetch_result"}},
    {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "code_execution_result"}},
    {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
    {"type": "text_editor_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
    {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
    {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": [TEXT]},
    {"type": "something_of_next_year", "id": "x"},
]
ITEMS = [
    "web_search_call", "file_search_call", "computer_call", "computer_call_output", "image_generation_call",
    "code_interpreter_call", "local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output",
    "apply_patch_call", "apply_patch_call_output", "mcp_call", "mcp_list_tools", "mcp_approval_request",
    "mcp_approval_response", "tool_search_call", "tool_search_output",
]  # fmt: skip


def said(out: Outbound) -> list[str]:
    return [str(message["content"]) for message in out.body["messages"]]


@pytest.mark.parametrize("server", ["openai", "ollama"])
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(block["type"]))
def test_blocks_of_anthropics_own_tools_are_left_out(
    block: dict[str, Any], server: DialectName, translate: Translate
) -> None:
    """The text beside them stays; the trace names the first one."""
    history = [HI, {"role": "assistant", "content": [block, TEXT]}, SO]
    out = translate("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history}, server)
    assert said(out) == ["Hi.", "It is 5 degrees.", "So?"]
    assert out.warnings == (
        f"messages[1].content[0] ({block['type']}) was dropped for the {server} dialect: "
        "what a provider's own tools did in earlier turns",
    )


@pytest.mark.parametrize("server", ["openai", "ollama"])
def test_a_message_of_nothing_else_goes_too(server: DialectName, translate: Translate) -> None:
    """What other servers refuse is an answer without content."""
    history = [HI, {"role": "assistant", "content": BLOCKS[:2]}, SO]
    out = translate("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history}, server)
    assert said(out) == ["Hi.\n\nSo?"]


@pytest.mark.parametrize("server", ["openai", "ollama"])
def test_results_that_a_client_sends_as_the_users_go_too(server: DialectName, translate: Translate) -> None:
    """Calls of the client's own tools beside them keep their results."""
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
    history = [HI, {"role": "assistant", "content": [BLOCKS[0], use]}, {"role": "user", "content": [BLOCKS[1], result]}]
    out = translate("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history}, server)
    assert said(out)[-1] == "42" and out.body["messages"][-1]["role"] == "tool"


def test_a_summary_of_earlier_turns_is_text(translate: Translate) -> None:
    """Anthropic's `compaction` block: without it the model would not know what was said."""
    history = [HI, {"role": "assistant", "content": [{"type": "compaction", "content": "They said hi."}, TEXT]}, SO]
    out = translate("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history}, "openai")
    assert said(out)[1].startswith("They said hi.") and "It is 5 degrees." in said(out)[1]


@pytest.mark.parametrize("server", ["openai", "ollama", "anthropic"])
@pytest.mark.parametrize("kind", ITEMS)
def test_items_of_openais_own_tools_are_left_out(kind: str, server: DialectName, translate: Translate) -> None:
    """Of Responses; the texts beside them stay, and a function's call and result beside them too."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "42"}
    items = [HI, call, {"type": kind, "id": "i", "call_id": "x"}, result, {"role": "assistant", "content": "5."}, SO]
    out = translate("/v1/responses", {"model": "m", "max_output_tokens": 9, "input": items}, server)
    assert len(out.body["messages"]) == 5
    (line,) = out.warnings
    assert line.endswith("what a provider's own tools did in earlier turns")


def test_what_the_user_gave_is_refused_as_before(translate: Translate) -> None:
    """A file that only its provider has is not left out: the answer would be another one."""
    history = [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}]
    with pytest.raises(Untranslatable, match="container_upload"):
        translate("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history}, "openai")
    with pytest.raises(Untranslatable, match="item_reference"):
        translate("/v1/responses", {"model": "m", "input": [HI, {"type": "item_reference", "id": "m_1"}]}, "anthropic")
