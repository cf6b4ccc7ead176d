"""The pure core: decisions are values.

1. Nothing here imports mitmproxy, SQLAlchemy, Flask, sockets, asyncio, threads or files.
2. Nothing here reads a clock, an environment variable or a random number: they are arguments.
3. Data flows one way: configuration and request in, a Plan (or bytes) out.
4. The proxy, the command line and the dashboard call the same functions.
5. tests/addons/core/test_purity.py keeps this true.

In it: from below, texts; request; access; paths and sessions; servers and streams; routes; dialects; rules and
    cache; decision and keys. Beside them record.
Door: of each room its own, as its `__init__` says.
May not import: anything of the router outside of core.
"""
