"""A request as something to run or to open elsewhere: `/request/<id>/copy/<kind>`.

In it: `copies`, the page and the downloads; `curl`, `python` (each dialect's own SDK), `har` (HAR 1.2), all pure.
Door: `copies.blueprint`.
May not import: the other rooms of story but what lies in story/ itself.
"""
