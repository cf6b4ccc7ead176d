"""How much a server is asked at once and in a minute, and in which order those go that wait for it.

In it: a server's limits as the file has them, a queue that is fair among callers, what its answers tell of its limits.
Door: `ServerLimits`, `FairQueue`, `Paces`.
May not import: streams, and all rooms above servers.
"""
