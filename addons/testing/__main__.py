"""`python -m switchman.addons.testing`: a fake upstream as a process of its own.

The first line it prints is the base URL. SIGINT and SIGTERM end it, with status 0.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from switchman.addons.testing.behaviour import Behaviour
from switchman.addons.testing.demo import DEMOS, demo_upstream
from switchman.addons.testing.upstream import SIDES, FakeUpstream

# Options that are called as the fields of Behaviour are.
SAME_NAME = (
    "text", "think", "reasoning", "huge", "status", "latency", "delay", "write_size", "gzip", "cut_after",
    "cut", "stall_after", "never_answer", "reset", "malformed", "close_after_reply", "close_idle_after",
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="fake_upstream", description="A fake LLM server that misbehaves as it is told to.")
    p.add_argument("--dialect", choices=list(SIDES), default="openai")
    p.add_argument("--demo", choices=DEMOS, help="one of the demo servers; it takes only --host and --port")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    p.add_argument("--name", default="fake", help="it says hello by this name")
    p.add_argument("--model", action="append", dest="models", help="a model to list; may be given more than once")
    p.add_argument("--only-listed", action="store_true", help="answer 404 for models that are not listed")
    p.add_argument("--api-key", help="the key clients must send")
    p.add_argument("--text", help="what it answers")
    p.add_argument("--think", help="thoughts to put in a <think> block in front of the answer")
    p.add_argument("--reasoning", help="thoughts to put in the dialect's own field")
    p.add_argument("--huge", type=int, default=0, metavar="BYTES", help="pad the answer to this size")
    p.add_argument("--status", type=int, default=200, help="answer everything with this status")
    p.add_argument("--header", action="append", default=[], metavar="NAME:VALUE", help="e.g. 'Retry-After: 5'")
    p.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="before the status line")
    p.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="between events")
    p.add_argument("--write-size", type=int, metavar="BYTES", help="write in pieces of this size")
    p.add_argument("--crlf", action="store_true", help="end the lines of streams with CR LF")
    p.add_argument("--gzip", action="store_true")
    p.add_argument("--cut-after", type=int, metavar="EVENTS", help="end the connection after so many events")
    p.add_argument("--cut", choices=["rst", "fin"], default="fin")
    p.add_argument("--stall-after", type=int, metavar="EVENTS", help="send nothing more after so many events")
    p.add_argument("--never-answer", action="store_true")
    p.add_argument("--reset", action="store_true", help="reset the connection instead of answering")
    p.add_argument("--malformed", action="store_true", help="answer with what is not JSON")
    p.add_argument("--close-after-reply", action="store_true")
    p.add_argument("--close-idle-after", type=float, metavar="SECONDS")
    p.add_argument("--fail-every", type=int, default=0, metavar="N", help="answer every Nth request with a 500")
    return p


def upstream_of(options: argparse.Namespace) -> FakeUpstream:
    """The server that the options describe, not yet started."""
    if options.demo:
        return demo_upstream(options.demo, options.port, options.host)
    headers = [(name.strip(), value.strip()) for name, _, value in (h.partition(":") for h in options.header)]
    knobs = {name: getattr(options, name) for name in SAME_NAME}
    how = Behaviour(**knobs, headers=headers, line_ending="\r\n" if options.crlf else "\n")
    return FakeUpstream(
        options.dialect,
        how,
        name=options.name,
        models=options.models or ["fake-model"],
        only_listed=options.only_listed,
        api_key=options.api_key,
        fail_every=options.fail_every,
        host=options.host,
        port=options.port,
        keep=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until a signal comes. 1 if the port cannot be opened."""
    upstream = upstream_of(parser().parse_args(arguments))
    upstream.keep = False
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the server's thread starts, so that it inherits this
    try:
        upstream.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {upstream.host}:{upstream.port}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"{upstream.url}\n")
    sys.stdout.flush()
    signal.sigwait(signals)
    upstream.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
