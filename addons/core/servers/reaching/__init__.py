"""The way to a server: the path that it wants, its proxy, its certificates, where it sends requests on to.

In it: addressing (paths), fields of the head that the configuration sets, proxies, reach (proxy and certificates as one
value), redirects, faults of TLS in words, references to secrets, subscriptions (tokens that are not pooled), egress
(addresses that are denied).
Door: `address`, `Reach`.
May not import: streams, and all rooms above.
"""
