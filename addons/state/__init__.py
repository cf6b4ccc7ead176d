"""What the addons share while the proxy runs.

In it: settings, rules, breakers, live figures, the shared store, descriptors, requests under way, what servers speak
and list, threads for large bodies.
Door: Runtime.
May not import: proxy, hooks and what is above them.
"""
