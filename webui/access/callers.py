"""A caller of the router, by its API token, at the few endpoints of the dashboard that take one.

An API token opens nothing else here: guard.py takes it for no sign-in. An endpoint that takes it is `@public` for the
guard, asks caller() first, and then who is signed in, and shows a caller nothing but what came with its own token.
"""

from __future__ import annotations

import time

from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.caller import Caller
from switchman.addons.store.keeping.beside.remarks import Remarks
from switchman.webui.access.people import NotAccepted, given_bearer, web_config
from switchman.webui.looks.marked import N_


def remarks() -> Remarks:
    """Where it is kept what callers say of their requests: of the whole log, as they have no role."""
    return web_config().queries.remarks


def caller() -> Caller | None:
    """Whose API token this request came with; None: it came with none. Raises NotAccepted for one that is not good."""
    text = given_bearer()
    if not is_token(text):
        return None
    access, now, digest = web_config().access, time.time(), digest_of(text)
    token = access.tokens.by_digest(digest) if access is not None else None
    if token is None or token.state(now) != "active":
        raise NotAccepted(N_("This API token is not known here, or it has ended."))
    until = next(secret.valid_until for secret in token.secrets if secret.digest == digest)
    if until is not None and until <= now:
        raise NotAccepted(N_("This API token was replaced by a new one."))
    return token.caller
