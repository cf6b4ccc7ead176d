"""The list of requests, live: `/requests`.

In it: `live`, the strip of layers, templates.
Door: `live.blueprint`.
May not import: the other families.
"""
