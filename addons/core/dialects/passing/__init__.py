"""Edit a request that passes through in its client's own dialect, where its server is known to refuse it.

In it: our marks on thoughts, thoughts and signatures of other servers, what a server refused of them; and restoring,
which puts the originals of a redacted request back into an answer's events.
Door: `portable`, `RefusedThoughts`, `RestoreStage`.
May not import: `translate`, `rendering`.
"""
