"""What is known of a server, and how an attempt at it is judged.

In it: addresses, facts of servers and models, thinking by model family, credentials, retries, breakers.
Door: `Server`, `Breakers`.
May not import: streams, and all rooms above.
"""
