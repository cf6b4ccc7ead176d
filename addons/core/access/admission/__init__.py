"""What is let in at the router's port by its form: the names it is asked for by, fetches of pages, WebSockets.

In it: names of hosts, fetches that a browser makes for a page, a WebSocket's handshake, its frames, and its end.
Door: `Hosts`, `foreign_fetch`, `Handshake`, `Frames`, `Ending`.
May not import: any other room of core but request and record.
"""
