"""What the router changed in a request, attempt by attempt: `/request/<id>/changes`.

In it: `changed`, the page; `differing`, what differs and how that is known (pure).
Door: `changed.blueprint`.
May not import: the other rooms of story but what lies in story/ itself.
"""
