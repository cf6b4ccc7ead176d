"""When a token is needed: what shows that a request came through a proxy, or by https. Pure: it comes as a mapping."""

from __future__ import annotations

from collections.abc import Mapping

# Any of these says that someone stands between the browser and us. They can only raise the security: a client
# that invents one has to sign in.
PROXY_HEADERS = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-original-forwarded-for", "x-original-host", "x-original-url"),
        *("client-ip", "x-scheme", "x-url-scheme", "x-rewrite-url", "x-request-start", "front-end-https"),
        *("cdn-loop", "x-amzn-trace-id", "x-cloud-trace-context", "x-arr-log-id", "remote-user"),
    }
)
PROXY_PREFIXES = ("x-forwarded", "cf-", "x-envoy-", "fastly-", "fly-", "x-azure-", "x-auth-request-", "tailscale-")
PROXY_ENDINGS = ("-client-ip", "-connecting-ip", "-forwarded-for", "-real-ip")
HTTPS_HEADERS = ("x-forwarded-proto", "x-forwarded-scheme", "x-scheme", "x-url-scheme")


def is_proxied(headers: Mapping[str, str], protocol: str = "HTTP/1.1") -> bool:
    """Whether a request came through a proxy. Names count in any case; `protocol` is that of the request's first line.

    A proxy that adds no header still shows, as long as it speaks HTTP/1.0 (nginx's plain `proxy_pass` before 1.29.7
    does), or passes a browser's request on: every browser asks for `Connection: keep-alive`, which is meant for one
    hop and is not passed on, and the page that a same-origin request names is then on another host than its Host.
    What cannot be told is a program (curl) behind a proxy that speaks HTTP/1.1 and adds nothing: it looks like the
    same program on this machine. Only ALWAYS_AUTH holds there.
    """
    given = {name.lower(): value for name, value in headers.items()}
    if protocol not in ("HTTP/1.1", "HTTP/2", "HTTP/2.0"):
        return True
    if any(name in PROXY_HEADERS or name.startswith(PROXY_PREFIXES) or name.endswith(PROXY_ENDINGS) for name in given):
        return True
    if "sec-fetch-site" not in given:
        return False  # not a browser's, or not one that tells more
    hops = {word.strip().lower() for word in given.get("connection", "").split(",")}
    return "keep-alive" not in hops or _is_of_another_host(given)


def _is_of_another_host(given: Mapping[str, str]) -> bool:
    """Whether a browser says that it asks the host it has the page from, and names another one than Host does."""
    page = given.get("origin") or given.get("referer") or ""
    if given["sec-fetch-site"] != "same-origin" or "://" not in page:
        return False
    return page.partition("://")[2].partition("/")[0].lower() != given.get("host", "").lower()


def auth_required(security: str, headers: Mapping[str, str], protocol: str = "HTTP/1.1") -> bool:
    """Whether WEBUI_SECURITY asks for a token. A mode that is not known asks for one."""
    if security == "NONE":
        return False
    if security == "AUTH_WHEN_PROXIED":
        return is_proxied(headers, protocol)
    return True


def is_https(headers: Mapping[str, str]) -> bool:
    """Whether a proxy, or the browser's own Origin, says that the browser came by https.

    Anybody is believed: who lies gets a cookie that his own browser does not send back over plain HTTP.
    """
    given = {name.lower(): value.strip().lower() for name, value in headers.items()}
    return (
        given.get("origin", "").startswith("https://")
        or any(given.get(name, "").partition(",")[0].strip() == "https" for name in HTTPS_HEADERS)
        or any(given.get(name, "") == "on" for name in ("x-forwarded-ssl", "front-end-https"))
        or "proto=https" in given.get("forwarded", "").partition(",")[0].replace('"', "")
        or '"scheme":"https"' in given.get("cf-visitor", "").replace(" ", "")
    )
