"""Callers: what tells two of them apart, for all that is kept or waited for in common.

    caller_digest(fields, query, address, people, token=...) -> the caller, as a digest from which nothing can be read

It is part of the key of the exact cache, of the scope of the semantic cache, of what equal requests wait for together
(flights), and of the key of a conversation. Whoever sets up sign-in before the router, or another gateway behind it,
chooses names of headers and parameters that nobody here knows. So no list says what tells callers apart:

1. Every header field counts, but for those of NEUTRAL. Names are compared without regard to case; the order of fields
   does not count, but of fields of one name it does, as a server may believe the first or the last. A field without a
   value is not the same as none, and two fields are not the same as one with a comma in it.
2. All of the query counts. The order of parameters does not, but of those of one name it does; how they are escaped
   counts, as that costs a caller no more than an answer that is asked for again.
3. Whom the body names as its user counts: one application asks for many people.
4. The address counts where there is no credential: without one it is all there is.
5. A token of ours (CLIENT_AUTH) counts by its id: rotated, it is the same caller, and from another address too. All
   else counts beside it, as before: an application with one token may have many people, whom a header tells apart.

`scope: shared` gives one caller's answers to all. What says who asks is left out there (1 to 5), and what may say what
is asked counts still: a gateway's own header (x-portkey-config) must not decide over other callers' answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote_plus

from switchman.addons.core.request.hopbyhop import OF_ONE_CONNECTION, Fields
from switchman.addons.core.texts.masking import is_secret_name

# Names of header fields -> why neither a caller nor an answer is another one by them.
NEUTRAL: Final[Mapping[str, str]] = {
    name: why
    for why, names in {
        "It names the router, and no server sees it. X-Forwarded-Host, of a proxy with tenants, counts.": "host",
        "The answer is kept in a form of its own, and given in the one that the body asks for.": "accept",
        "The router asks the server for what is not compressed.": "accept-encoding",
        "It names the client's program, and not who runs it; OpenAI's, Ollama's and Anthropic's share answers.": (
            "user-agent"
        ),
        "The body was read by then, and counts itself, whatever it was wrapped in.": (
            "content-type content-encoding content-length transfer-encoding expect"
        ),
        "They are for the caches themselves, which obey them.": "cache-control pragma x-switchman-cache",
        "They name one request, or a step of it, and are another with each.": (
            "b3 cf-ray date idempotency-key sentry-trace traceparent tracestate uber-trace-id x-amzn-trace-id "
            "x-client-request-id x-cloud-trace-context x-correlation-id x-idempotency-key x-request-id x-request-start"
        ),
        "Codex tells by it what a turn is for. Session and thread have fields of their own, which count.": (
            "x-codex-turn-metadata"
        ),
        "A browser says by them how its page asks, and in what order. The page itself counts (Origin).": (
            "anthropic-dangerous-direct-browser-access dnt priority sec-gpc"
        ),
    }.items()
    for name in names.split()
}
# The same, by how a name begins.
NEUTRAL_PREFIXES: Final[Mapping[str, str]] = {
    "x-stainless-": "The official SDKs name their version, machine and time limit, and how often they have tried.",
    "sec-fetch-": "A browser says by them how its page asks.",
    "sec-ch-": "A browser names itself by them, as in User-Agent.",
    "x-b3-": "They name one request.",
    "x-datadog-": "They name one request.",
}
# The Messages API has one version: with it an answer is the same as OpenAI's clients get. Any other value counts.
NEUTRAL_FIELDS: Final = frozenset({("anthropic-version", "2023-06-01")})

# Where what stands before the router says who asks. These count, as all others do; but they do not where answers are
# shared. A name that is not here keeps answers apart there, too.
IDENTITIES: Final = frozenset({
    "cf-connecting-ip", "forwarded", "remote-email", "remote-groups", "remote-name", "remote-user", "true-client-ip",
    "x-client-ip", "x-ms-client-principal", "x-real-ip", "x-remote-user",
})  # fmt: skip
IDENTITY_PREFIXES: Final = (
    "cf-access-", "tailscale-user-", "x-auth-request-", "x-authentik-", "x-forwarded-", "x-goog-authenticated-user-",
    "x-ms-client-principal-", "x-openwebui-user-", "x-pomerium-",
)  # fmt: skip


def caller_digest(
    fields: Fields,
    query: str,
    address: str,
    people: Iterable[tuple[str, str]] = (),
    *,
    token: str = "",
    shared: bool = False,
) -> str:
    """A digest that names the caller. `query`: without its question mark. `people`: see people_in(). `token`: the id of
    a token of ours, which fields and query do not have in them any more; "" for none.
    """
    headers = _headers(fields)
    parameters = _parameters(query)
    known = any(name != "cookie" and is_secret_name(name) for name, _ in (*headers, *parameters))
    if shared:
        headers = [(name, value) for name, value in headers if name == "cookie" or not _tells_who(name)]
        parameters = [(name, value) for name, value in parameters if not is_secret_name(name)]
        named: tuple[object, ...] = ("shared", headers, parameters)
    else:
        named = ("caller", "" if known or token else address, headers, parameters, list(people))
        if token:
            named = ("token", token, named)
    # repr() quotes what it joins: no value can stand for two.
    return hashlib.sha256(repr(named).encode("utf-8", "surrogatepass")).hexdigest()


def identity_digest(
    fields: Fields, query: str, address: str, people: Iterable[tuple[str, str]] = (), *, token: str = ""
) -> str:
    """The same by what says who asks alone: it lasts over requests whose other fields differ."""
    told = tuple(field for field in fields if _tells_who(field[0].strip().lower().decode("latin-1")))
    parameters = (one for one in query.split("&") if is_secret_name(unquote_plus(one.partition("=")[0])))
    return caller_digest(told, "&".join(parameters), address, people, token=token)


def people_in(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Whom a body names as the person behind it, in whatever dialect."""
    found = [("user", body.get("user")), ("safety_identifier", body.get("safety_identifier"))]
    if isinstance(metadata := body.get("metadata"), dict):
        found.append(("metadata.user_id", metadata.get("user_id")))
    return [(name, str(value)) for name, value in found if value is not None]


def is_neutral(name: str) -> bool:
    """Whether a header field (lower-case name) neither names a caller nor changes an answer."""
    return name in NEUTRAL or name.startswith(tuple(NEUTRAL_PREFIXES))


def _headers(fields: Fields) -> list[tuple[str, str]]:
    """The fields that count, by name. Those that Connection names are among them, though no server sees them: who has
    one of these taken out has not become somebody else.
    """
    found: list[tuple[str, str]] = []
    for raw, content in fields:
        name, value = raw.strip().lower(), content.decode("latin-1").strip()
        if name in OF_ONE_CONNECTION and name != b"proxy-authorization":
            continue
        text = name.decode("latin-1")
        if not is_neutral(text) and (text, value) not in NEUTRAL_FIELDS:
            found.append((text, value))
    return _by_name(found)


def _parameters(query: str) -> list[tuple[str, str]]:
    return _by_name([(unquote_plus(one.partition("=")[0]), one) for one in query.split("&") if one])


def _by_name(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sorted by name alone: those of one name stay in their order."""
    return sorted(pairs, key=lambda pair: pair[0])


def _tells_who(name: str) -> bool:
    return is_secret_name(name) or name in IDENTITIES or name.startswith(IDENTITY_PREFIXES)
