"""The servers: added, tested, changed, left out, with their models, keys, health and breakers: `/servers`.

In it: the list, and the page of each, with their templates.
Door: `servers.blueprint`.
May not import: the other families.
"""
