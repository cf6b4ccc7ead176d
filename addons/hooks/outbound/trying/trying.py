"""Tries servers: asks each for its list of models, the way that requests go, and says in a sentence what is wrong.

1. The list of its dialect; where that is not declared, what it speaks is found out first (hooks/outbound/probing.py).
2. No list there (404): perhaps it has none. An operation with an empty body, which no server takes, tells: where that
   is unknown too, the base URL is wrong, or the dialect; others are tried, without any key, to name the right one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from switchman.addons.core.decision.catalogue import Model, read_models
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers import dialectsigns
from switchman.addons.core.servers.dialectsigns import Dialects
from switchman.addons.core.servers.reaching.addressing import address
from switchman.addons.core.servers.reaching.egress import NOTHING, Denied
from switchman.addons.core.servers.servers import Server
from switchman.addons.hooks.outbound.probing import probe
from switchman.addons.hooks.outbound.trying import faults
from switchman.addons.state.learned.listings import PATHS
from switchman.addons.state.learned.upstream_reader import UNREACHABLE, Answer, TooLong, UpstreamReader
from switchman.addons.state.reaching.deny import deny_addresses

SECONDS = 5.0  # for one server, until it answers at all; and again for the questions that follow
TOLD_AFTER = 2.0  # seconds until the person who waits is told for whom
AT_ONCE = 64  # servers

OPERATIONS: dict[DialectName, str] = {
    "openai": "/v1/chat/completions",
    "ollama": "/api/chat",
    "anthropic": "/v1/messages",
}
# Where the API of a server commonly is, beside the places above the one that was given.
PLACES = ("", "/v1", "/api/v1", "/openai/v1", "/api", "/v1beta/openai")


@dataclass(frozen=True)
class Finding:
    """`fault`: what is wrong, in a sentence; "" for nothing, and `note` then says what was found.

    `dialects`: what an undeclared server turned out to speak. `status`: of its first answer; `models`: as
    it lists them.
    """

    fault: str = ""
    note: str = ""
    dialects: Dialects | None = None
    status: int | None = field(default=None, compare=False)
    models: tuple[Model, ...] = field(default=(), compare=False)


def servers_of(rules: Ruleset) -> list[Server]:
    """All that requests may go to, each once: no DEFAULT_UPSTREAM that nobody set, and nothing that is off."""
    arbiter = [rules.arbiter.server] if rules.arbiter else []
    assumed = not rules.default_set and rules.default.name not in rules.servers
    listed = [server for server in rules.upstreams if server.enabled and not (assumed and server is rules.default)]
    return list(dict.fromkeys([*listed, *arbiter]))


async def try_all(
    servers: Sequence[Server],
    seconds: float = SECONDS,
    denied: Denied = NOTHING,
    say: Callable[[str], None] = lambda words: None,
) -> dict[Server, Finding]:
    """Try them at once, but at no address that is denied; `say` is told who keeps a person waiting."""
    deny_addresses(asyncio.get_running_loop(), denied)
    reader = UpstreamReader(seconds)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(server: Server) -> Finding:
        async with turns:
            return await try_server(server, reader, seconds)

    tasks = {server: asyncio.create_task(one(server)) for server in servers}
    try:
        if tasks:
            _, late = await asyncio.wait(tasks.values(), timeout=TOLD_AFTER)
            if late:
                names = [server.name for server, task in tasks.items() if task in late]
                say(f"waiting for {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}")
        return {server: await task for server, task in tasks.items()}
    finally:
        await reader.close()


async def try_server(server: Server, reader: UpstreamReader, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            answer = await reader.ask(server, PATHS[server.dialect or "openai"], server.dialect)
    except TooLong:
        return Finding("its list of models is larger than any list: is it an LLM server?")
    except (TimeoutError, *UNREACHABLE) as error:
        if server.url.scheme == "http" and not server.reach.proxy and await _speaks_tls(server, error, reader, seconds):
            return Finding(faults.speaks_tls(server))
        return Finding(faults.of_failure(error, server, seconds))
    try:
        async with asyncio.timeout(seconds):
            found = await _read(server, answer, reader)
    except (TimeoutError, TooLong, *UNREACHABLE) as error:
        found = Finding(faults.of_failure(error, server, seconds))
    return replace(found, status=answer.status)


async def _speaks_tls(server: Server, error: BaseException, reader: UpstreamReader, seconds: float) -> bool:
    """Whether what did not understand http:// understands https://."""
    if not isinstance(error, UNREACHABLE) or "RemoteProtocol" not in type(error).__name__:
        return False
    reach = replace(server.reach, tls=replace(server.reach.tls, verify=False))
    secure = replace(server, url=replace(server.url, scheme="https"), reach=reach, api_key=None, headers={})
    try:
        async with asyncio.timeout(seconds):
            await reader.ask(secure, "/", None)
    except (TimeoutError, TooLong, *UNREACHABLE):
        return False
    return True


async def _read(server: Server, answer: Answer, reader: UpstreamReader) -> Finding:
    """What a first answer means, with the questions that it leads to."""
    dialects = None
    if server.dialect is None and answer.status != 407:
        dialects = (await probe([server], reader))[server]
    speaks = server.dialect or (dialects[0] if dialects else "openai")
    if server.dialect is None and speaks != "openai":
        answer = await reader.ask(server, PATHS[speaks], speaks)
    if (fault := faults.of_answer(answer, server)) is not None:
        return Finding(fault, dialects=dialects)
    if answer.status in (404, 405):
        found = await _without_list(server, answer, speaks, reader)
        return replace(found, dialects=dialects)
    if answer.status in (401, 403):
        return Finding(note="answers, and wants a key: the clients' own go to it", dialects=dialects)
    if answer.status == 429:
        return Finding(note="answers, and is too busy for now (429)", dialects=dialects)
    models = _models_in(answer)
    if models is None:
        fault = f"it answers {PATHS[speaks].partition('?')[0]} with something that is no list of models"
        return Finding(f"{fault}: is it an LLM server?", dialects=dialects)
    count = len(models)
    return Finding(note=f"answers, with {count} model{'' if count == 1 else 's'}", dialects=dialects, models=models)


async def _without_list(server: Server, answer: Answer, speaks: DialectName, reader: UpstreamReader) -> Finding:
    operation = await reader.ask(server, OPERATIONS[speaks], speaks, content=b"{}")
    if operation.status not in (404, 405) and not faults.is_page(operation.body):
        if (fault := faults.of_answer(operation, server)) is not None and operation.status in (401, 403, 407):
            return Finding(fault)
        return Finding(note="answers, but has no list of models")
    asked = f"{server.url.scheme}://{server.url.authority}{address(server, PATHS[speaks]).partition('?')[0]}"
    fault = f"404 for {asked}: nothing of an LLM server is there, so the base URL is likely wrong"
    nameless = replace(server, api_key=None, headers={}, dialect=None)
    if server.dialect is not None:
        others = (await probe([nameless], reader))[nameless]
        if others and server.dialect not in others:
            return Finding(
                f"it does not speak {server.dialect}, but {' and '.join(others)}: set `dialect: {others[0]}`"
            )
    # Where every path is refused without a key, a refusal says nothing of a path.
    nowhere = await reader.ask(replace(nameless, url=replace(server.url, path="/no-such-place")), PATHS[speaks], speaks)
    for path in _other_places(server.url.path):
        elsewhere = replace(nameless, url=replace(server.url, path=path))
        found = await reader.ask(elsewhere, PATHS[speaks], speaks)
        if found.status != nowhere.status and _is_of_llm(found):
            return Finding(f"{fault}; {elsewhere.url} would be right")
    return Finding(fault)


def _other_places(path: str) -> list[str]:
    parts = path.split("/")
    above = ["/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
    beneath = [path + "/v1", path + "/api/v1"] if path else []
    return [place for place in dict.fromkeys([*above, *beneath, *PLACES]) if place != path]


def _is_of_llm(answer: Answer) -> bool:
    """A list, or an API's refusal for want of a key."""
    if answer.status == 200:
        return _models_in(answer) is not None
    return answer.status in (401, 403) and dialectsigns.of_models(answer.status, answer.body) is not None


def _models_in(answer: Answer) -> tuple[Model, ...] | None:
    """The models that are listed; None where it is no list."""
    try:
        return read_models(json.loads(answer.body))
    except (ValueError, RecursionError):
        return None
