"""The demo: a process with two upstreams, the routes to them, requests to look at, and commands to try.

The test kit is imported where it is used: a router without a demo starts without it, and without httpx.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from switchman.addons.config.child import log_to_stderr, obey_supervisor, say_ready
from switchman.addons.config.settings import Settings

QUESTION = "Hello!"


def command(last: Sequence[str], router: str = "", meaning: bool = False) -> Sequence[str]:
    """The arguments of the demo's process. A restarted one takes the ports that it had.

    `router`: the URL to which the first one sends the sample requests. `meaning`: those for the embeddings, too.
    """
    samples = ["--router", router, *(["--meaning"] if meaning else [])] if router and not last else []
    return ["switchman.addons.serving.demo", "--ports", *(last or ("0", "0")), *samples]


def has_meaning(settings: Settings) -> bool:
    """Whether there is an embedding model, so that the demo can show categories by meaning."""
    return not settings.semantic_socket and Path(settings.semantic_model).is_dir()


def routes(thinker: str, flaky: str) -> str:
    """The demo's routes.yaml. `thinker` thinks aloud, `flaky` fails every third request."""
    return f"""\
# Written by `switchman serve --demo` at each start. Edit it while it runs: it is reloaded within a second.
servers:
  # Both speak OpenAI only; clients of Ollama and Anthropic are translated to and from it.
  thinker: {{url: "{thinker}", dialect: openai}}   # thinks aloud in <think> blocks, which Switchman takes out
  flaky: {{url: "{flaky}", dialect: openai}}   # every third request fails, and the next server answers

aliases:
  demo:
    instances: ["flaky/demo-flaky", "thinker/demo-think"]   # tried in this order

routes:
  - name: names that end in -think
    match: {{model: "/-think$/"}}
    route: {{upstream: thinker}}
  - name: code
    match: {{model: auto, task: coding}}
    route: {{model: thinker/demo-think, fallbacks: [demo]}}

semantic_routes:   # what an embedding model says of the meaning; without one, this layer is off
  categories:
    translation: flaky/demo-flaky
    creative: thinker/demo-think

default: demo   # where `auto` goes when no layer named a target
"""


def what_to_try(url: str, dashboard: str = "", meaning: bool = False) -> str:
    """Text to paste into a terminal, and into Python. `dashboard`: its URL; then the demo's own requests are on it."""
    from switchman.addons.testing.demo import LABEL

    shown = "a category by meaning, " if meaning else ""
    off = "" if meaning else "\nThere is no embedding model, so nothing is routed by meaning: `off` above says why."
    samples = f"""
The demo sends some requests itself, which begin with "{LABEL.strip()}". The dashboard shows them within seconds:
rules, a cached answer, {shown}a name from a server's list, a fallback. Open one to see why it went
where it went: {dashboard}{off}
"""
    return (
        (samples if dashboard else "")
        + f"""
Ask the alias `demo`: every third request fails on its first server, and the second one answers.

  curl {url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{"model": "demo", "messages": [{{"role": "user", "content": "{QUESTION}"}}]}}'

With openai-python (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key="any")
  asked = [{{"role": "user", "content": "{QUESTION}"}}]
  print(client.chat.completions.create(model="demo", messages=asked).choices[0].message.content)

`auto` lets the router choose; asked the same again, its cache answers. `thinker/demo-think` reaches the server that
thinks aloud, `"stream": true` streams. The x-switchman-* headers (`curl -i`) say who answered, and the dashboard says
why. Everything that is written is in the folder of the log.
"""
    )


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="switchman demo")
    arguments.add_argument("--ports", nargs=2, type=int, required=True)
    arguments.add_argument("--router", help="URL of the router to which the sample requests are sent")
    arguments.add_argument("--meaning", action="store_true", help="also those that embeddings are for")
    args = arguments.parse_args(argv)
    obey_supervisor()
    log_to_stderr("demo")
    from switchman.addons.testing.demo import demo_upstream, send_samples

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with demo_upstream("think", args.ports[0]) as thinker, demo_upstream("flaky", args.ports[1]) as flaky:
        say_ready([str(thinker.port), str(flaky.port)])
        if args.router:
            send_samples(args.router, stop, args.meaning)
        stop.wait()


if __name__ == "__main__":
    main()
