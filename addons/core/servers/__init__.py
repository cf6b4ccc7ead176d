"""Facts about servers, and the verdicts on attempts at them.

In it: addresses, facts of servers and models, thinking by model family, credentials, retries, breakers.
Door: `Server`, `Breakers`.
May not import: streams, and all rooms above.
"""
