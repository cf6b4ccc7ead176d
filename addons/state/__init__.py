"""What the addons share while the proxy runs.

In it: settings, rules, breakers, live figures, the shared store, requests under way, what servers speak and list.
Door: Runtime.
May not import: proxy, hooks and what is above them.
"""
