"""Facts about servers, and how long one is waited for, retried and left alone.

In it: addresses, facts of servers and models, kinds of models, thinking by model family, credentials, retries,
deadlines, breakers, callers' keys that rest, what is the router's own trouble.
Door: `Server`, `Breakers`.
May not import: streams, and all rooms above.
"""
