"""The arbiter, L3: asks a small local model which category a request belongs to. Every failure of it is a miss."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from switchman.addons.core.decision import arbitration
from switchman.addons.core.decision.arbitration import Judgement
from switchman.addons.core.routes.routes import Arbiter
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.retry import OWN_KEY_STATUSES
from switchman.addons.core.servers.scarcity import is_scarcity
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import join
from switchman.addons.hooks.routing.layers import LayerAnswer, LayerRequest, Miss
from switchman.addons.state.reaching import trust

if TYPE_CHECKING:
    import ollama

logger = logging.getLogger(__name__)

REMEMBERED = 1024  # verdicts
REMEMBERED_FOR = 600.0  # seconds
MAX_TOKENS = 64  # of the answer: twice what it needs
CLIENT_TIMEOUT = 30.0  # seconds; the budget ends a request long before
KEEP_LOADED = "30m"  # Ollama unloads a model after five minutes by itself
WARM_EVERY = 60.0  # seconds between two tries to have a slow model loaded


class Speaker(Protocol):
    """Asks a server. Raises what UNREACHABLE names."""

    async def ask(self, model: str, messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        """The model's answer."""

    async def load(self, model: str) -> None:
        """Load the model."""

    async def close(self) -> None: ...


# Errors of the network and of the server, and answers of another shape.
UNREACHABLE = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, LookupError, TypeError, AttributeError)


class ArbiterLayer:
    """Asks the model that the rules name. `current` gives the arbiter in force, None for none."""

    name = "arbiter"

    def __init__(
        self,
        current: Callable[[], Arbiter | None],
        clock: Callable[[], float] = time.monotonic,
        redacted: Callable[[str], str] = str,
    ) -> None:
        """`redacted`: the text with placeholders for what no server may see; raises ValueError where that fails."""
        self._current, self._clock, self._redacted = current, clock, redacted
        self._judgements: OrderedDict[tuple[object, ...], tuple[Judgement, float]] = OrderedDict()
        self._breakers = Breakers()  # of its own: asking an arbiter is no attempt of a request, so nothing judges it
        self._speakers: dict[Server, asyncio.Task[Speaker]] = {}
        self._warming: asyncio.Task[None] | None = None
        self._warmed = float("-inf")

    @property
    def budget_ms(self) -> float:
        arbiter = self._current()
        return arbiter.timeout_ms if arbiter is not None else 1.0

    async def answer(self, request: LayerRequest) -> LayerAnswer | None:
        arbiter = self._current()
        if arbiter is None or not arbiter.targets:
            raise Miss("There is no arbiter.")
        if not request.features.ask:
            raise Miss("The request has no prompt to judge.")
        try:
            ask = self._redacted(request.features.ask)
        except ValueError as error:
            raise Miss(str(error)) from None
        judgement = await self._judgement(arbiter, ask)
        sure = f"{arbiter.model} says {judgement.category}, {judgement.confidence:.2f} sure"
        if judgement.confidence < arbiter.min_confidence:
            raise Miss(f"{sure}; {arbiter.min_confidence:.2f} is needed.", judgement.confidence)
        return LayerAnswer(arbiter.targets[judgement.category], judgement.category, judgement.confidence, f"{sure}.")

    async def prepare(self) -> None:
        """Have the client ready before the first request needs it."""
        if (arbiter := self._current()) is not None:
            await asyncio.wait([self._speaker(arbiter.server)])

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        for task in self._speakers.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                await task.result().close()
        self._speakers.clear()

    async def _judgement(self, arbiter: Arbiter, ask: str) -> Judgement:
        """The judgement of a prompt; one that was given lately is given again."""
        now = self._clock()
        key = (arbiter.server.name, arbiter.model, tuple(arbiter.targets), ask)
        if (known := self._judgements.get(key)) is not None and known[1] > now:
            self._judgements.move_to_end(key)
            return known[0]
        target = f"{arbiter.server.name}/{arbiter.model}"
        if not self._breakers.claim(target, now):
            raise Miss(f"The arbiter {target} failed lately, and is not asked for a while.")
        judgement = await self._ask(self._ready(arbiter.server, target), arbiter, ask, target)
        self._judgements[key] = (judgement, now + REMEMBERED_FOR)
        while len(self._judgements) > REMEMBERED:
            self._judgements.popitem(last=False)
        return judgement

    def _ready(self, server: Server, target: str) -> Speaker:
        """The speaker for the server. One that is still being made is a miss, and no failure of the server."""
        task = self._speakers.get(server)
        if task is None or not task.done():
            self._speaker(server)
            self._breakers.release(target)
            raise Miss(f"The arbiter {target} is still being connected to.")
        if task.cancelled() or (error := task.exception()) is None:
            return task.result()
        del self._speakers[server]  # the next request tries again, until the breaker opens
        self._breakers.failure(target, self._clock())
        raise Miss(f"The arbiter {target} could not be asked: {str(error) or type(error).__name__}.")

    async def _ask(self, speaker: Speaker, arbiter: Arbiter, ask: str, target: str) -> Judgement:
        """Report every outcome to the breaker. A late answer is a failure of the server. An answer without a judgement
        is not, as a prompt can talk a model into one: no caller may switch the arbiter off for the others.
        """
        categories = tuple(arbiter.targets)
        tell: Callable[[str, float], None] = self._breakers.failure
        try:
            question, schema = arbitration.question(ask, categories), arbitration.schema(categories)
            answer = await speaker.ask(arbiter.model, question, schema)
            tell = self._breakers.success
        except asyncio.CancelledError:
            self._warm(arbiter)  # too slow: perhaps its model is not loaded, and asking again would never load it
            raise
        except UNREACHABLE as error:
            if is_scarcity(error):
                tell = _release(self._breakers)
            raise Miss(f"The arbiter {target} could not be asked: {str(error) or type(error).__name__}.") from error
        finally:
            tell(target, self._clock())
        judgement = arbitration.read(answer, categories)
        if judgement is None:
            raise Miss(f"The arbiter {target} did not answer with a known category in the form asked for.")
        return judgement

    def _speaker(self, server: Server) -> asyncio.Task[Speaker]:
        task = self._speakers.get(server)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._speakers[server] = asyncio.create_task(_speaker_for(server), name="switchman arbiter")
        return task

    def _warm(self, arbiter: Arbiter) -> None:
        """Load the model apart, now and then: Ollama stops loading it when the request for it is given up."""
        if self._clock() - self._warmed < WARM_EVERY or (self._warming is not None and not self._warming.done()):
            return
        self._warmed = self._clock()
        self._warming = asyncio.create_task(self._load(arbiter), name="switchman arbiter load")

    async def _load(self, arbiter: Arbiter) -> None:
        try:
            await (await self._speaker(arbiter.server)).load(arbiter.model)
        except UNREACHABLE as error:
            logger.info("The arbiter's model could not be loaded: %s", error)


class OllamaSpeaker:
    """Speaks to Ollama, through its own package."""

    def __init__(self, client: ollama.AsyncClient) -> None:
        self._client = client

    async def ask(self, model: str, messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        options = {"temperature": 0, "seed": 0, "num_predict": MAX_TOKENS}
        with _unreachable():
            answer = await self._client.chat(
                model, messages, format=schema, options=options, think=False, keep_alive=KEEP_LOADED
            )
        return answer.message.content or ""

    async def load(self, model: str) -> None:
        with _unreachable():
            await self._client.generate(model, keep_alive=KEEP_LOADED)

    async def close(self) -> None:
        await self._client.close()


class OpenAISpeaker:
    """Speaks to a server of OpenAI's dialect."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client, self._url = client, url

    async def ask(self, model: str, messages: list[dict[str, str]], schema: dict[str, Any]) -> str:
        form = {"name": "verdict", "strict": True, "schema": schema}
        body = {
            "model": model,
            "messages": messages,
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
            "response_format": {"type": "json_schema", "json_schema": form},
        }
        reply = (await self._client.post(self._url, json=body)).raise_for_status().json()
        content = reply["choices"][0]["message"]["content"]
        return content if isinstance(content, str) else ""

    async def load(self, model: str) -> None:
        """Such servers have their models loaded."""

    async def close(self) -> None:
        await self._client.aclose()


def _release(breakers: Breakers) -> Callable[[str, float], None]:
    """What is told where nothing is known of the server."""
    return lambda target, _: breakers.release(target)


@contextlib.contextmanager
def _unreachable() -> Iterator[None]:
    """Turn the package's own error into one of UNREACHABLE; by its name, as the package is loaded late."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ == "ResponseError":
            raise ValueError(str(error)) from error
        raise


async def _speaker_for(server: Server) -> Speaker:
    """A speaker in the server's dialect. Without a declared one it is Ollama, unless it answers as OpenAI's do."""
    # Certificates and the package take tens of milliseconds to read, which the event loop does not have.
    how = await asyncio.to_thread(_connection, server)
    base = f"{server.url.scheme}://{server.url.authority}"
    if server.dialect == "openai" or (server.dialect is None and await _is_openai(server, base, how)):
        return OpenAISpeaker(httpx.AsyncClient(**how), base + join(server.url, "/v1/chat/completions"))
    if server.dialect == "anthropic":
        raise ValueError("an Anthropic server cannot be the arbiter")
    host = base + join(server.url, "/api/chat").removesuffix("/api/chat")
    return await asyncio.to_thread(_ollama_speaker, host, how)


async def _is_openai(server: Server, base: str, how: dict[str, Any]) -> bool:
    async with httpx.AsyncClient(**how) as client:
        if (await client.get(base + join(server.url, "/api/version"))).status_code == 200:
            return False
        return (await client.get(base + join(server.url, "/v1/models"))).status_code == 200


def _connection(server: Server) -> dict[str, Any]:
    """Arguments for httpx."""
    headers = {name.lower(): value for name, value in server.headers.items()}
    keys = [key.value.get_secret_value() for key in server.keys]
    if server.api_key is not None and len(keys) < 2:
        keys = [server.api_key.get_secret_value()]
    hooks = {"response": [_readable]}
    auth = _Keys(keys) if keys else None
    arguments = trust.httpx_arguments(server.reach)
    return {"headers": headers, "timeout": CLIENT_TIMEOUT, "event_hooks": hooks, "auth": auth, **arguments}


class _Keys(httpx.Auth):
    """A server's own keys: the one that was taken last, and the others in turn while they are refused."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys, self._at = keys, 0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        begun = self._at
        for step in range(len(self._keys)):
            at = (begun + step) % len(self._keys)
            request.headers["authorization"] = f"Bearer {self._keys[at]}"
            response = yield request
            if response.status_code not in OWN_KEY_STATUSES:
                self._at = at
                return


class _Utf8(httpx.AsyncByteStream):
    """A body with U+FFFD for what is no UTF-8, which httpx and Ollama's package refuse to read as JSON."""

    def __init__(self, body: httpx.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for data in self._body:
            yield decoder.decode(data).encode()
        yield decoder.decode(b"", final=True).encode()

    async def aclose(self) -> None:
        await self._body.aclose()


async def _readable(response: httpx.Response) -> None:
    if "content-encoding" not in response.headers and isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Utf8(response.stream)


def _ollama_speaker(host: str, how: dict[str, Any]) -> Speaker:
    import ollama  # here: it is needed only where there is an arbiter

    return OllamaSpeaker(ollama.AsyncClient(host, **how))
