"""Bytes to events, and events to bytes: SSE, NDJSON, and what servers make of them.

In it: a splitter for each framing, events with single line ends between them, and one framing told in the other.
Door: SPLITTERS of `pipe.py`, which uses them.
May not import: servers, and all rooms above.
"""
