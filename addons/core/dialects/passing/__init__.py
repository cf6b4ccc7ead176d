"""Edit a request that passes through in its client's own dialect, where its server is known to refuse it.

In it: our marks on thoughts, thoughts and signatures of other servers, what a server refused of them; restoring, which
puts the originals of a redacted request back into an answer's events; how a body that was edited is written down
(`conveyed`); and what passed, read again from where it is stored (`conversation`).
Door: `portable`, `RefusedThoughts`, `RestoreStage`, `conveyed`, `conversation`.
May not import: `translate`, `rendering`.
"""
