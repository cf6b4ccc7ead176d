"""A request sent once more, through the router itself, and both answers side by side: `/again/<id>`.

In it: `again`, the pages; `outgoing`, the request that goes out (pure). What sends it is in admin/asking/.
Door: `again.blueprint`.
May not import: the other rooms of story but said, and what lies in story/ itself.
"""
