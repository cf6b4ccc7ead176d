"""Edit a request that passes through in its client's own dialect, where its server is known to refuse it.

In it: our marks on thoughts, thoughts and signatures of other servers, what a server refused of them; restoring, which
puts the originals of a redacted request back into an answer's events; and how a body that was edited is written down
(`conveyed`).
Door: `portable`, `RefusedThoughts`, `RestoreStage`, `conveyed`.
May not import: `translate`, `rendering`.
"""
