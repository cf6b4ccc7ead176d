"""Thoughts that another server made, in a request that passes through: what the next one refuses is taken out.

A conversation that goes on elsewhere (a failover, another rule, another model) brings what the last server put into it:
- Anthropic signs `thinking` blocks and checks them ("Invalid `signature` in `thinking` block"); OpenAI encrypts
  `reasoning` items for one organisation ("The encrypted content could not be verified"). Nobody else can tell whose a
  signature is. So it is sent, and if the server says that it does not take it, the request is sent again without, and
  so are the requests that follow (`Refusals`).
- Mistral and Gemini refuse members that they do not know ("Extra inputs are not permitted", reasoning_content), and all
  but Mistral parts of the type `thinking`.
- OpenAI refuses ids of calls that are longer than its own, Mistral all that are not like its own.
- DeepSeek refuses a call that has lost its thoughts, and Gemini 3 one without its signature. Those get a blank.
- Anthropic refuses thinking itself, where the last answer calls tools and does not begin with a signed thought.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import object_of, objects_in, text_of
from switchman.addons.core.dialects.neutral.fitting.names import fitting_id
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks
from switchman.addons.core.dialects.openai.families import GEMINI, MISTRAL, UNSIGNED, mistral_id
from switchman.addons.core.dialects.passing.unsigned import is_ours, objects, without_blocks
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.models.thinking import Edits

# Members of an assistant's message that hold thoughts: DeepSeek's and many others', OpenRouter's and vLLM's, LiteLLM's.
MEMBERS: Final = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "provider_specific_fields")
_MEMBERS: Final = frozenset(MEMBERS)
BLOCKS: Final = ("thinking", "redacted_thinking")
CHECKS: Final = "thinking"  # among what was refused: the server also refuses to think after calls without a thought
UNTHOUGHT: Final = " "  # chat_body.py says why it is a blank
# What servers say of thoughts that they do not take; not of how much to think.
REFUSED: Final = re.compile(
    r"signature|encrypted.content|redacted_thinking|thinking.{0,3} block|reasoning_content|reasoning_details"
    r"|'?reasoning'? (?:item|block)|item with id .?rs_|(?:messages|input)\W{0,2}\d+.*(?:reasoning|thinking|thought)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the server that a request goes to. `model` is the name it goes by there.

    `is_anthropics`: Anthropic's own. `refused`: digests of thoughts that it refused before.
    """

    model: str = ""
    quirks: Quirks = STANDARD
    is_anthropics: bool = False
    refused: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Portable:
    """The edits, a sentence for each kind of them, and whether something is left that the server may refuse."""

    edits: Edits
    warnings: tuple[str, ...] = ()
    has_thoughts: bool = False


CALLS: Final = ("function_call", "custom_tool_call")
NOTHING: Final = Portable({})
NONE: Final[frozenset[int]] = frozenset()
UNTOLD: Final[Edits] = {}
THINKING: Final = ("thinking",)


def portable(call: Call, to: Origin, told: Edits = UNTOLD) -> Portable:
    """The edits by which a conversation goes on at another server of its dialect. Where one of them takes away what
    the router is about to tell of thinking (`told`), it counts.
    """
    if call.endpoint.operation == "responses":
        return _responses(call, to)
    if call.endpoint.operation != "chat":
        return NOTHING
    if call.dialect == "anthropic":
        return _messages(call, to, told)
    return _with_ids(_chat(call, to), call, to) if call.dialect == "openai" else NOTHING


def speaks_of_thoughts(message: str) -> bool:
    """Whether an error says that the server does not take the thoughts in a conversation."""
    return REFUSED.search(message) is not None


def digests(call: Call) -> set[str]:
    """What there is in a request that a server may have refused: its thoughts, and calls without one."""
    if call.endpoint.operation == "responses":
        return {_digest(item) for _, item in objects(call.body.get("input")) if _is_sealed(item)}
    found: set[str] = {CHECKS} if call.dialect == "anthropic" else set()
    for _, message in _answers(call):
        found |= {_digest(block) for block in objects_in(message.get("content")) if block.get("type") in BLOCKS}
        if call.dialect == "openai":
            found |= {_digest(message[name]) for name in MEMBERS if message.get(name)}
            found |= {_digest(one["extra_content"]) for one in objects_in(message.get("tool_calls")) if _is_signed(one)}
    return found


def _has_traces(message: Mapping[str, Any]) -> bool:
    """Whether a quick look at an answer finds thoughts, or what may come with them."""
    content, calls = message.get("content"), message.get("tool_calls")
    if not _MEMBERS.isdisjoint(message):
        return True
    if isinstance(content, list) and any(isinstance(part, dict) and part.get("type") in BLOCKS for part in content):
        return True
    return isinstance(calls, list) and any(isinstance(one, dict) and "extra_content" in one for one in calls)


def _digest(value: Any) -> str:
    """Of what proves a thought: its signature or encrypted form, else all of it."""
    for name in ("signature", "encrypted_content", "data"):
        if isinstance(value, Mapping) and text_of(value, name):
            value = value[name]
            break
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _answers(call: Call) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((at, one) for at, one in objects(call.body.get("messages")) if one.get("role") == "assistant")


# ---- Anthropic ---------------------------------------------------------------------------------------------------


def may_not_think(body: Mapping[str, Any], told: Edits = UNTOLD) -> bool:
    """Whether a request in Anthropic's dialect asks for thinking where Anthropic refuses it."""
    answers = [message for message in objects_in(body.get("messages")) if message.get("role") == "assistant"]
    return _thinks(body, told) and bool(answers) and _is_bare(list(objects_in(answers[-1].get("content"))))


def _thinks(body: Mapping[str, Any], told: Edits) -> bool:
    return _is_on(told.get(THINKING, body.get("thinking")), "enabled")


def _is_on(thinking: Any, *kinds: str) -> bool:
    return isinstance(thinking, Mapping) and thinking.get("type") in (kinds or ("enabled", "adaptive"))


def _is_bare(blocks: list[dict[str, Any]]) -> bool:
    """Whether an answer calls tools and begins with no thought."""
    return bool(blocks) and blocks[0].get("type") not in BLOCKS and any(b.get("type") == "tool_use" for b in blocks)


def _messages(call: Call, to: Origin, told: Edits) -> Portable:
    edits: Edits = {}
    warnings: list[str] = []
    left = False  # whether any thoughts are left
    last: tuple[dict[str, Any], Collection[int]] = ({}, NONE)  # the last answer, and what is taken out of it
    for at, message in _answers(call):
        last = message, NONE
        if not _has_traces(message):
            continue
        thoughts = [(i, block) for i, block in objects(message.get("content")) if block.get("type") in BLOCKS]
        out = {i for i, block in thoughts if _is_foreign(block, to)}
        if out:
            edits |= without_blocks(message, out, ("messages", at, "content"))
        left = left or len(out) < len(thoughts)
        last = message, out
    if edits:
        warnings.append("messages.thinking was dropped for this server: another one's thoughts")
    kept = [block for i, block in objects(last[0].get("content")) if i not in last[1]]
    thinks = _is_bare(kept) and _thinks(call.body, told)
    if thinks and (to.is_anthropics or edits or CHECKS in to.refused):
        thinks = False
        edits |= {THINKING: REMOVE, **_without_clearing(call)}
        warnings.append("thinking was dropped for this server: the last answer calls tools without its own thought")
    elif THINKING in told and not _is_on(told[THINKING]) and (clearing := _without_clearing(call)):
        edits |= clearing
        warnings.append("context_management.clear_thinking was dropped for this server: nothing is thought")
    if to.is_anthropics and (ids := _ids(call)):
        edits |= ids
        warnings.append("messages.tool_use.id was changed for this server: ids are letters, digits, _ and -")
    return Portable(edits, tuple(warnings), left or thinks)


def _is_foreign(block: Mapping[str, Any], to: Origin) -> bool:
    """Whether a thought has our mark, or Anthropic's own never gave it, or this server refused it before."""
    unsigned = block.get("type") == "thinking" and not text_of(block, "signature")
    return is_ours(block) or (to.is_anthropics and unsigned) or _was_refused(block, to)


def _without_clearing(call: Call) -> Edits:
    """Clearing old thoughts is refused where nothing is thought."""
    given = object_of(call.body, "context_management").get("edits")
    kept = [one for one in objects_in(given) if not text_of(one, "type").startswith("clear_thinking")]
    if not isinstance(given, list) or len(kept) == len(given):
        return {}
    return {("context_management", "edits"): kept} if kept else {("context_management",): REMOVE}


def _ids(call: Call) -> Edits:
    """Ids of calls that another server made, in the characters that Anthropic takes."""
    edits: Edits = {}
    for at, message in objects(call.body.get("messages")):
        for i, block in objects(message.get("content")):
            for name in ("id", "tool_use_id"):
                id = text_of(block, name) if block.get("type") in ("tool_use", "tool_result") else ""
                if id and (fitted := fitting_id(id, "anthropic")) != id:
                    edits[("messages", at, "content", i, name)] = fitted
    return edits


# ---- OpenAI ------------------------------------------------------------------------------------------------------


def _responses(call: Call, to: Origin) -> Portable:
    """Reasoning items that were refused go. The ids of the model's other items go with them: OpenAI knows by an item's
    id that a reasoning item belonged to it ("was provided without its required 'reasoning' item").
    """
    items = list(objects(call.body.get("input")))
    sealed = [(at, item) for at, item in items if _is_sealed(item)]
    out = {at for at, item in sealed if is_ours(item) or _was_refused(item, to)}
    if not out:
        return Portable({}, (), bool(sealed))
    edits: Edits = {("input", at): REMOVE for at in out}
    said = [(at, item) for at, item in items if item.get("role") == "assistant" or item.get("type") in CALLS]
    edits |= {("input", at, "id"): REMOVE for at, item in said if "id" in item}
    warning = "input.reasoning was dropped for this server: another one's thoughts"
    return Portable(edits, (warning,), len(out) < len(sealed))


def _is_sealed(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "reasoning" and bool(item.get("encrypted_content") or item.get("id"))


def _is_signed(call: Mapping[str, Any]) -> bool:
    return bool(call.get("extra_content"))


def _chat(call: Call, to: Origin) -> Portable:
    quirks = to.quirks
    is_mistrals, is_gemini = bool(MISTRAL.search(to.model)), bool(quirks.narrow_schemas and GEMINI.match(to.model))
    recalls = quirks.thinking_switch == "thinking"
    needs_thoughts = recalls or is_gemini  # with each call
    if not any(_has_traces(one) or (needs_thoughts and one.get("tool_calls")) for _, one in _answers(call)):
        return NOTHING
    strict = quirks.openai_fields is not None
    edits: Edits = {}
    left = False
    for at, message in _answers(call):
        place = ("messages", at)
        dropped = {
            name for name in MEMBERS if message.get(name) is not None and (strict or _was_refused(message[name], to))
        }
        edits |= {(*place, name): REMOVE for name in dropped}
        left = left or any(message.get(name) for name in MEMBERS if name not in dropped)
        parts = [(i, part) for i, part in objects(message.get("content")) if part.get("type") in BLOCKS]
        out = {i for i, part in parts if _was_refused(part, to) or (not is_mistrals and (strict or recalls))}
        edits |= without_blocks(message, out, (*place, "content"))
        calls = list(objects(message.get("tool_calls")))
        signed = [(i, one) for i, one in calls if _is_signed(one)]
        drop = {
            i for i, one in signed if (strict and not quirks.narrow_schemas) or _was_refused(one["extra_content"], to)
        }
        edits |= {(*place, "tool_calls", i, "extra_content"): REMOVE for i in drop}
        left = left or len(out) < len(parts) or len(drop) < len(signed)
        if calls and is_gemini and (not _is_signed(calls[0][1]) or calls[0][0] in drop):
            edits.pop((*place, "tool_calls", 0, "extra_content"), None)
            edits[(*place, "tool_calls", calls[0][0], "extra_content")] = UNSIGNED["extra_content"]
        if calls and recalls and (not message.get("reasoning_content") or "reasoning_content" in dropped):
            other = "" if "reasoning" in dropped else text_of(message, "reasoning")
            edits[(*place, "reasoning_content")] = other or UNTHOUGHT
    warning = "messages.reasoning was changed for this server: it refuses thoughts of another one, or calls without any"
    return Portable(edits, (warning,) if edits else (), left)


def _with_ids(passed: Portable, call: Call, to: Origin) -> Portable:
    """With ids of calls as OpenAI and Mistral take them, where the server is known to be theirs."""
    if to.quirks.openai_fields is None or '"tool_calls"' not in call.text:
        return passed
    is_mistrals = not to.quirks.openai_fields and bool(MISTRAL.search(to.model))
    if not (is_mistrals or to.quirks.openai_fields):
        return passed
    edits: Edits = {}
    for at, message in objects(call.body.get("messages")):
        ids = [(("tool_calls", i, "id"), one) for i, one in objects(message.get("tool_calls"))]
        for place, one in [*ids, (("tool_call_id",), message)]:
            if id := text_of(one, str(place[-1])):
                fitted = mistral_id(id) if is_mistrals else fitting_id(id, "openai")
                edits |= {("messages", at, *place): fitted} if fitted != id else {}
    if not edits:
        return passed
    warning = "messages.tool_calls.id was changed for this server: it refuses ids of this form"
    return replace(passed, edits=passed.edits | edits, warnings=(*passed.warnings, warning))


def _was_refused(value: Any, to: Origin) -> bool:
    return bool(to.refused) and _digest(value) in to.refused
