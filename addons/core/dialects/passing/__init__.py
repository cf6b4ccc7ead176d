"""Edit a request that passes through in its client's own dialect, where its server is known to refuse it.

In it: our marks on thoughts, thoughts and signatures of other servers, ids of calls.
Door: `without_unsigned`, `portable`.
May not import: `translate`, `rendering`.
"""
