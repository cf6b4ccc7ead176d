"""Process an answer as it passes: bytes to events, through stages, to bytes.

In it: SSE and NDJSON, Pipe, the stages (think, fences, naming), the collector of a reply, what tells its calls apart,
    decoders of compressed bodies, what goes on of an answer's head.
Door: `Pipe`.
May not import: servers, and all rooms above.
"""
