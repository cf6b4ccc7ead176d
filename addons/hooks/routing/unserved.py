"""Unserved: requests that nothing behind the router is meant for, and what their clients are told.

Writes: trace.
"""

from __future__ import annotations

from dataclasses import replace

from mitmproxy import http

from switchman.addons.core.access.furthermodels import further_models
from switchman.addons.core.access.grants import is_restricted, may_use_server
from switchman.addons.core.decision.candidates import shown
from switchman.addons.core.decision.decide import TEXT_OPERATIONS
from switchman.addons.core.dialects.rendering import TRANSLATED
from switchman.addons.core.paths.advice import not_allowed, not_found, not_passed, root_of
from switchman.addons.core.paths.passing import takes_key
from switchman.addons.core.paths.websockets import model_of_socket
from switchman.addons.core.routes.granted import is_granted
from switchman.addons.core.routes.plan import Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers import credentials
from switchman.addons.flow.exchange import Exchange, reading_of
from switchman.addons.flow.refusal import refusal


def unknown_path(flow: http.HTTPFlow, x: Exchange, rules: Ruleset, listen_port: int) -> http.Response | None:
    """The answer to what names no model, where there is no DEFAULT_UPSTREAM to pass it on to; None where there is.

    An address that is only assumed is no place to send what nobody has asked us to send there.
    """
    if x.call is not None or rules.default_set:
        return None
    request, reading = flow.request, reading_of(x, flow.request)
    if reading.kind == "operation":
        return refusal(x, 405, not_allowed(request.method, reading.path), headers={"allow": "POST"})
    own = f"http://127.0.0.1:{listen_port}"
    root = root_of(request.headers.get("host", ""), tls=flow.client_conn.tls_established, otherwise=own)
    return refusal(x, 404, not_found(request.method, request.path.partition("?")[0], root))


def switched_off(x: Exchange, rules: Ruleset) -> http.Response | None:
    """The answer to what names no model where DEFAULT_UPSTREAM, to which it would be passed on, is off."""
    if x.call is not None or rules.default.enabled:
        return None
    return refusal(x, 503, f"{rules.default.name}, to which this would be passed on, is off (enabled: false).")


def passed_on(flow: http.HTTPFlow, x: Exchange, plan: Plan) -> Plan | http.Response:
    """The plan without the servers whose own key must not go with this request; an answer where none is left."""
    request, reading = flow.request, reading_of(x, flow.request)
    if takes_key(reading, request.method, websocket=x.handshake is not None):
        return plan
    kept = tuple(one for one in plan.candidates if credentials.passes_through(one.server))
    if len(kept) == len(plan.candidates):
        return plan
    server = next(one.server for one in plan.candidates if one not in kept)
    path = request.path.partition("?")[0]
    why = not_passed(request.method, path, server.name, has_key=credentials.has_own_key(server))
    if not kept:
        return refusal(x, 403, why)
    x.trace.append(TraceLine("credentials", "skip", why))
    return replace(plan, candidates=kept)


def beyond_token(flow: http.HTTPFlow, x: Exchange, plan: Plan, rules: Ruleset) -> http.Response | None:
    """The 403 to what a restricted token may not use, although the plan is for servers that it may.

    1. What names no model, or is no operation of one, where the token is for certain models: what it does at the server
       is not known (a batch may name any model in its lines).
    2. A WebSocket, whose frames name a model, but for the Realtime API, where the query does.
    3. A request that names further models beside its own, which its server may turn to, or that may be read otherwise.
    """
    caller = x.caller
    if caller is None or not is_restricted(caller):
        return None
    servers = [one.server.name for one in plan.candidates]
    if x.call is None and not all(may_use_server(caller, name) for name in servers):
        return refusal(x, 403, f"The token {caller.name} may not use {', '.join(servers)}, where this would go.")
    if not caller.models:
        return None
    request, reading = flow.request, reading_of(x, flow.request)
    if x.handshake is not None:
        model = model_of_socket(request.path)
        if model and all(is_granted(caller, name, model, rules.aliases) for name in servers):
            return None
        return refusal(x, 403, f"The token {caller.name} is for certain models, and this WebSocket may use any.")
    if x.call is None or not takes_key(reading, request.method):
        return refusal(x, 403, f"The token {caller.name} is for certain models, and this may use others, or none.")
    if x.call.repeats:  # another reader may find other models in it
        return refusal(x, 403, f"The token {caller.name} is for certain models, and a key of the body occurs twice.")
    for named in further_models(x.call.body):
        if not all(is_granted(caller, name, named, rules.aliases) for name in servers):
            return refusal(x, 403, f"The token {caller.name} may not use {shown(named)}, which the request names, too.")
    return None


def without_model(x: Exchange, plan: Plan, rules: Ruleset) -> http.Response | None:
    """The answer to what leaves the choice of a model to us where we have none to choose from: `auto` is for text.

    A rule for `auto` may send it somewhere; and a server may have a model of its own for it, if none is named.
    """
    call = x.call
    if call is None or plan.layer != "default" or call.endpoint.operation in TEXT_OPERATIONS:
        return None
    if call.endpoint.operation in TRANSLATED and plan.refusal is None:
        return None
    if not rules.is_auto(call.model) or (not call.model and rules.default_set):
        return None
    named = f"The model {call.model!r} is chosen by the router" if call.model else "The request names no model"
    message = f"{named}, which it does among models that write text: name a model for {call.endpoint.path}."
    if not call.model:
        message = f"{named}: name one for {call.endpoint.path}, or set DEFAULT_UPSTREAM, where it then goes."
    return refusal(x, 400, message, param="model")
