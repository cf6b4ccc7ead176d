"""The list of requests, live, filtered and as a file: `/requests`.

In it: `live`, filtering (the fields of the bar), the strip of layers, exports, templates.
Door: `blueprint` of `live` and `exports`.
May not import: the other families.
"""
