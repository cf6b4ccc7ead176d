"""`switchman serve`: a supervisor, its proxy workers, the dashboard, and in the demo two upstreams.

supervisor.py   starts the processes below, restarts what dies, stops everything
worker.py       one proxy process
master.py       mitmproxy's master with only the addons a router needs
hooktable.py    mitmproxy's addon manager, looking handlers up in a table
ports.py        one port for several processes
dashboard.py    the dashboard's process
demo.py         the demo's upstreams and routes

In it: a module for each process, and what the supervisor needs. What a child does first is in `config/child.py`.
Door: `supervisor` and `launch`, for `cli/serve.py`.
May not import: pipeline, cli.
"""
