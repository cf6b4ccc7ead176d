"""A process that has imported the worker, and forks one for each router that the tests start.

What a worker does after its imports is as it was; these are the longest part of a start, a second of processor time,
and they are the same each time. `switchman serve` in tests/addons/cli and the proxies with a command of their own are
started as anywhere.

Read from the socket on descriptor 0, for each router: JSON with `argv`, `cwd`, `env`, `limits` and `umask`; and four
descriptors: its stdin, stdout, stderr, and where to write its process id and, when it has ended, its exit code, each on
a line. The end of the socket is the end.
"""

from __future__ import annotations

import gc

gc.disable()  # for the imports

import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from contextlib import suppress  # noqa: E402
from typing import Any  # noqa: E402

from switchman.addons.serving import worker  # noqa: E402

LARGEST = 200_000  # bytes of a message


def orders() -> dict[str, Any]:
    """Returns in each process that is to be a worker, what it was told; never in this one."""
    with socket.socket(fileno=os.dup(0)) as control:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, LARGEST, 4)
            if not message:
                os._exit(0)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if os.fork() == 0:
                control.close()
                *standard, report = descriptors
                if (pid := os.fork()) == 0:
                    os.close(report)
                    become(standard)
                    return json.loads(message)  # type: ignore[no-any-return]
                for descriptor in (0, *standard):
                    os.close(descriptor)
                os.write(report, b"%d\n" % pid)
                os.write(report, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os._exit(0)
            for descriptor in descriptors:
                os.close(descriptor)


def become(standard: list[int]) -> None:
    """Have these for stdin, stdout and stderr."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)


def obey(told: dict[str, Any]) -> None:
    """As if it had been started so."""
    os.environ.clear()
    os.environ.update(told["env"])
    time.tzset()
    os.chdir(told["cwd"])
    os.umask(told["umask"])
    for name, limits in told["limits"].items():
        resource.setrlimit(getattr(resource, name), limits)
    sys.argv[1:] = told["argv"]


if __name__ == "__main__":
    sys.path[0] = ""  # as with -m
    gc.collect()
    gc.freeze()  # what is shared stays shared
    given = orders()
    gc.enable()
    obey(given)
    worker.main()
