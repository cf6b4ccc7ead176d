"""What becomes of a connection that is a WebSocket's.

In it: Relay, which passes frames on in both directions, and ends it.
Door: `Relay`.
May not import: the rest of proxy but attempt; hooks and what is above them.
"""
