"""The way out: how TLS is set up, and which addresses no connection goes to.

In it: trust (TLS contexts), deny (the event loop refuses addresses as it connects).
Door: `trust`, `deny_addresses`.
May not import: proxy, hooks and what is above them.
"""
