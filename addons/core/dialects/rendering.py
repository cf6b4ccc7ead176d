"""Rendering: a client's request as one server gets it. Pure: the call and the candidate in, bytes out.

Each attempt is rendered afresh from the original request. Where the server speaks the client's dialect, only what the
decision names is edited in the original text; where it does not, the request is translated, and the answer will be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.anthropic.billing import DROPPED, without_billing_note
from switchman.addons.core.dialects.codecs import FORMATS
from switchman.addons.core.dialects.neutral.fields import without
from switchman.addons.core.dialects.neutral.fitting.schemas import REASON, narrowing_edits
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks
from switchman.addons.core.dialects.passing.thoughts import THINKING, Origin, may_not_think, portable
from switchman.addons.core.dialects.translate import Translation, needs_translation, translate_request
from switchman.addons.core.paths import named
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, DialectName, Endpoint, Form
from switchman.addons.core.request.unambiguous.multipart import replaced, with_field
from switchman.addons.core.routes.plan import Candidate, Outcome, TraceLine
from switchman.addons.core.servers.models.thinking import (
    NOTHING,
    Edits,
    Instruction,
    ThinkingChoice,
    Traits,
    instruct,
    requested,
)
from switchman.addons.core.texts.unicode import dumps, dumps_large

# Operations whose body names the model, whatever server is asked; what others are asked with is passed on.
TRANSLATED: Final = frozenset(operation for _, operation in FORMATS) | {"embedding", "embedding_legacy", "count_tokens"}
# The members by which a request of each dialect asks the model to think.
REASONING: Final = ("think", "reasoning_effort", "thinking")
UNTOLD: Final = Instruction(
    "It cannot be told to think: the last answer calls tools, and does not begin with a thought of its own.",
    understood=False,
)


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """What a server takes. `dialect` None: the client's own dialect, whatever that is.

    `think`: tell the model to think, or not to; None leaves what the request says. `usage`: the server takes
    `stream_options.include_usage`. `responses`: the OpenAI server has /v1/responses. `reasoning`: the model takes the
    members of REASONING in a translated request. `is_anthropics` and `refused`: as in passing/thoughts.py.
    """

    dialect: DialectName | None
    think: ThinkingChoice | None = None
    usage: bool = True
    responses: bool = True
    reasoning: bool = True
    quirks: Quirks = STANDARD
    is_anthropics: bool = False
    refused: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request as it goes out. `edited`: `content` is not the client's own text.

    `endpoint` is the operation in the server's dialect; `answer` translates its answer, None where there is nothing to
    translate. `injected`: the router, not the client, asked for the usage report, so it has to hide or translate it.
    """

    path: str
    content: str
    edited: bool
    endpoint: Endpoint
    answer: Translation | None = None
    injected: bool = False
    streams: bool = False  # translated, and a stream was asked for
    reasons: bool = False  # translated, and the model is told to think, or not to
    has_thoughts: bool = False  # not translated, and has thoughts of earlier turns that the server may refuse
    warnings: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # what was edited in the client's own text: `stream_options.include_usage`
    edits: Edits | None = None  # the same, with the values; None where nothing was, or otherwise
    form: bytes | None = None  # an edited form, in the place of `content`
    thinking: Instruction = NOTHING  # what the model is told about thinking
    may_think: bool | None = None  # False: told not to, in words that it knows; None: the router tells it nothing

    @property
    def data(self) -> bytes:
        """The body as it goes out, where it was edited."""
        return self.form if self.form is not None else self.content.encode()

    def trace_lines(self, target: str) -> tuple[TraceLine, ...]:
        """One line for each change to the client's request: by translation, and of thinking."""
        lines = [TraceLine("translation", "hit", f"For {target}: {warning}") for warning in self.warnings]
        if self.thinking.how:
            outcome: Outcome = "hit" if self.thinking.understood else "miss"
            lines.append(TraceLine("thinking", outcome, f"For {target}: {self.thinking.how}"))
        return tuple(lines)


def render(call: Call, candidate: Candidate, profile: ServerProfile, stamp: Stamp) -> Rendered:
    """The request for one candidate. Raises Untranslatable or Malformed (ValueErrors with `field`)."""
    dialect = profile.dialect or call.dialect
    try:
        if needs_translation(call.endpoint, dialect, profile.responses):
            return _translated(call, candidate, profile, dialect, stamp)
        return _passed(call, candidate, profile, dialect)
    except RecursionError:
        raise Malformed("the body", "values that are nested less deeply") from None


def _passed(call: Call, candidate: Candidate, profile: ServerProfile, dialect: DialectName) -> Rendered:
    model = candidate.model or call.model
    query = named.replaced(call.query, "model", model) if model and model != named.value(call.query, "model") else ""
    query = query or call.query
    path = f"{call.endpoint.path}?{query}" if query else call.endpoint.path
    if call.form is not None:
        return _form(call, call.form, candidate.model, path)
    if not call.text:  # a body that is not read, or none
        return Rendered(path, "", False, call.endpoint)
    edits: Edits = {}
    if _is_renamed(call, model):
        edits[("model",)] = model
    injected = profile.usage and _lacks_usage(call)
    if injected:
        edits[("stream_options", "include_usage")] = True
    thinking = _thinking(profile, call.endpoint, call.body, candidate.model or call.model)
    model = candidate.model or call.model
    passed = portable(call, Origin(model, profile.quirks, profile.is_anthropics, profile.refused), thinking.edits)
    if profile.think is not None and profile.think.think and THINKING in passed.edits:
        thinking = UNTOLD
    edits |= thinking.edits | passed.edits
    if dialect == "openai" and profile.quirks.developer_role is False:
        edits |= _without_developers(call)
    warnings = passed.warnings
    if dialect == "openai" and profile.quirks.narrow_schemas and (narrow := narrowing_edits(call.body)):
        edits |= narrow
        warnings = (*warnings, f"tools were changed for this server: {REASON}")
    if note := without_billing_note(call, candidate.server):
        edits |= note
        warnings = (*warnings, DROPPED)
    text = jsonedit.edit(call.text, edits, call.spans) if edits else call.text
    fields = tuple(".".join(map(str, member)) for member in edits)
    return Rendered(
        path,
        text,
        bool(edits),
        call.endpoint,
        injected=injected,
        fields=fields,
        edits=edits or None,
        thinking=thinking,
        may_think=_may_think(profile.think, thinking),
        has_thoughts=passed.has_thoughts,
        warnings=warnings,
    )


def _is_renamed(call: Call, model: str) -> bool:
    """Whether `model` is to be put into the body. What is only passed on keeps its model where it was named."""
    given = call.body.get("model")
    if not model or given == model:
        return False
    return bool(given) or call.endpoint.operation in TRANSLATED or not named.value(call.query, "model")


def _form(call: Call, form: Form, renamed: str, path: str) -> Rendered:
    """A form with its model renamed, or put in where the path named it. A form that needs no model stays as it is."""
    model, given = renamed or call.model, call.body.get("model") or ""
    if not model or given == model:
        return Rendered(path, "", False, call.endpoint)
    content = form.content
    if form.model is not None:
        content = replaced(content, form.model, model if form.boundary else named.quoted(model))
    elif call.model and form.boundary and not named.value(call.query, "model"):
        content = with_field(content, form.boundary, "model", model)
    return Rendered(path, "", content is not form.content, call.endpoint, form=content)


def _translated(
    call: Call, candidate: Candidate, profile: ServerProfile, dialect: DialectName, stamp: Stamp
) -> Rendered:
    model = candidate.model or call.model  # which the path or the query may have named, and the body not
    out = translate_request(call.endpoint, call.body, dialect, stamp, model, profile.quirks)
    endpoint = endpoint_of("POST", out.path)
    assert endpoint is not None  # every format that can be written has its path in the tables
    body, warnings = out.body, out.warnings
    reasons, think = any(body.get(name) not in (None, False) for name in REASONING), profile.think
    if reasons and not profile.reasoning:
        body, reasons = without(body, *REASONING), False
        warnings = (*warnings, "thinking was dropped: the model refused it before")
    elif think is None and requested(call.endpoint, call.body) is False and requested(endpoint, body) is None:
        # The server's format has no word for the client's "do not think", but there may be another way to say it.
        think = ThinkingChoice(False)
    if "messages" in body:  # last, so that a conversation's next request begins with the bytes of this one
        body = {**without(body, "messages"), "messages": body["messages"]}
    text = dumps_large(body) if call.large else dumps(body)
    thinking = _thinking(replace(profile, think=think), endpoint, body, model)
    if endpoint.dialect == "anthropic" and may_not_think(body, thinking.edits):
        thinking = UNTOLD
    if thinking.edits:
        text = jsonedit.edit(text, thinking.edits)
    return Rendered(
        out.path,
        text,
        True,
        endpoint,
        out.answer,
        injected="stream_options" in body,
        streams=out.stream,
        reasons=reasons,
        warnings=warnings,
        thinking=thinking,
        may_think=_may_think(think, thinking),
    )


def _thinking(profile: ServerProfile, endpoint: Endpoint, body: Mapping[str, Any], model: str) -> Instruction:
    # A server that takes vLLM's and llama.cpp's sampling options also takes their template's switches.
    quirks = profile.quirks
    traits = Traits(quirks.sampling_extensions, quirks.effort_none, quirks.thinking_switch)
    return instruct(profile.think, endpoint, body, model, traits)


def _may_think(choice: ThinkingChoice | None, told: Instruction) -> bool | None:
    return None if choice is None else choice.think or not told.understood


def is_silenced(call: Call, rendered: Rendered) -> bool:
    """Whether the model was told not to think: by the router, or by the client's own words."""
    if rendered.may_think is not None:
        return not rendered.may_think
    return requested(call.endpoint, call.body) is False


def applies_template(endpoint: Endpoint, call: Call) -> bool:
    """Whether the server puts the prompt together by the model's template: not where the client sends it whole."""
    if endpoint.operation == "completion":
        return endpoint.dialect == "ollama" and call.body.get("raw") is not True
    return True


def _without_developers(call: Call) -> Edits:
    """`system` for each role `developer`, for a server known not to know it."""
    name = {"chat": "messages", "responses": "input"}.get(call.endpoint.operation, "")
    messages = call.body.get(name)
    return {
        (name, index, "role"): "system"
        for index, message in enumerate(messages if isinstance(messages, list) else ())
        if isinstance(message, dict) and message.get("role") == "developer"
    }


def _lacks_usage(call: Call) -> bool:
    """Whether this is an OpenAI stream that would end without a usage report."""
    if call.dialect != "openai" or call.endpoint.operation not in ("chat", "completion") or not call.stream:
        return False
    options = call.body.get("stream_options")
    return options is None or (isinstance(options, dict) and options.get("include_usage") is None)
