"""Views of an Exchange for the pure core: query, features, caller.

Writes: features.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

from switchman.addons.core.cache.callers import caller_digest, people_in
from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.dialects.codecs import FORMATS
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.request.hopbyhop import end_to_end
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.credentials import secrets_of
from switchman.addons.flow.exchange import Exchange


def is_auto(x: Exchange, rules: Ruleset) -> bool:
    """Whether the router chooses the model: a request for text that names `auto`, or nothing, after MODEL_MAP."""
    if x.call is None or (x.call.dialect, x.call.endpoint.operation) not in FORMATS:
        return False
    model = x.call.model
    rewritten = rules.model_map.rewrite(model, x.call.dialect == "ollama") if rules.model_map else None
    return rules.is_auto(rewritten.model if rewritten is not None else model)


def features(x: Exchange, tasks: TaskRules) -> Features:
    """The features of a request, computed once."""
    if x.features is None:
        assert x.call is not None
        x.features = features_of(x.call.body, x.call.dialect, x.call.endpoint.operation, tasks)
    return x.features


def headers(x: Exchange) -> Mapping[str, str]:
    """The client's header fields by lower-case name. Fields of one name are joined, as HTTP joins them.

    Those of the client's connection are left out: no server sees them, so nothing hangs on them.
    """
    fields: dict[str, str] = {}
    for name, value in end_to_end(x.sent.fields) if x.sent else ():
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def credentials(x: Exchange) -> str:
    """What the client authenticates itself with; "" for nothing."""
    return secrets_of(headers(x), x.sent.path if x.sent else "")


def caller(x: Exchange, *, shared: bool = False) -> str:
    """A digest that names the caller, as core/cache/callers.py has it. `shared`: among all who ask in the same way."""
    fields, path = (x.sent.fields, x.sent.path) if x.sent else ((), "")
    people = people_in(x.call.body) if x.call else ()
    token_id = x.caller.id if x.caller else ""
    return caller_digest(fields, path.partition("?")[2], x.client, people, token=token_id, shared=shared)


def token(x: Exchange) -> str:
    """The SHA-256 (hex) of the client's own key, as rules name it; "" where there is none. Tokens of ours are out."""
    fields = headers(x)
    key = fields.get("x-api-key") or fields.get("api-key") or fields.get("authorization", "").partition(" ")[2]
    return hashlib.sha256(key.encode("latin-1")).hexdigest() if key else ""


def routing_query(x: Exchange, request_features: Features | None, outside: bool | None = None) -> RoutingQuery:
    """The query for the pure decision. `request_features` None: no rule looks at the text. `outside`: rules look at the
    caller's headers and token; by default they do where they look at the text.
    """
    assert x.call is not None
    outside = request_features is not None if outside is None else outside
    now = time.localtime()
    return RoutingQuery(
        model=x.call.model,
        source=x.client,
        dialect=x.call.dialect,
        operation=x.call.endpoint.operation,
        features=request_features,
        headers=headers(x) if outside else {},
        token=token(x) if outside else "",
        now=LocalTime(now.tm_hour * 60 + now.tm_min, now.tm_wday),
        caller=x.caller,
        moment=x.moment,
    )
