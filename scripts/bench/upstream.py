"""A very fast fake upstream for benchmarks: replies are made beforehand, a request is only counted off.

    upstream.py EVENTS INTERVAL     prints its port; serves until it is killed

A request whose body has `"stream": true`, with or without the blank, gets EVENTS server-sent events, one write each
INTERVAL seconds, as a model that generates; any other gets one JSON reply. Both begin with a <think> block and end
with usage.
"""

from __future__ import annotations

import asyncio
import json
import sys

THOUGHT = "<think>\nShort and friendly is best here.\n</think>\n\n"
ANSWER = "The sky is blue because air scatters short waves of light more than long ones. " * 4
USAGE = {"prompt_tokens": 12, "completion_tokens": 80, "total_tokens": 92}
HEAD = {"id": "chatcmpl-1", "created": 1700000000, "model": "model-x"}


def whole_reply() -> bytes:
    """An HTTP response with a chat completion of about 650 bytes."""
    message = {"role": "assistant", "content": THOUGHT + ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps(HEAD | {"object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def stream_parts(events: int) -> list[bytes]:
    """A response in `events` pieces, HTTP chunks of one server-sent event each; the head comes with the first."""
    words = [THOUGHT[i : i + 6] for i in range(0, len(THOUGHT), 6)]
    words += [f"word{i} " for i in range(events - len(words) - 2)]
    parts = [_event([{"index": 0, "delta": {"content": word}, "finish_reason": None}]) for word in words]
    parts.append(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=USAGE))
    parts.append(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    parts[0] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + parts[0]
    return parts


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    body = HEAD | {"object": "chat.completion.chunk", "choices": choices} | more
    return _chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, whole: bytes, parts: list[bytes], interval: float) -> None:
        self.whole, self.parts, self.interval = whole, parts, interval
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (split := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:split].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            end = split + 4 + length
            if len(self.buffer) < end:
                return
            body, self.buffer = self.buffer[split + 4 : end], self.buffer[end:]
            if b'"stream": true' in body or b'"stream":true' in body:
                self.send_part(0)
            else:
                self.transport.write(self.whole)

    def send_part(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(self.parts[number])
        if number + 1 < len(self.parts):
            asyncio.get_running_loop().call_later(self.interval, self.send_part, number + 1)


async def serve(events: int, interval: float) -> None:
    whole, parts = whole_reply(), stream_parts(events)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(whole, parts, interval), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
