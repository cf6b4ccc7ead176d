"""A request and its answer as a conversation: `/request/<id>/conversation`.

In it: `conversation`, the page; `turns`, what it shows of a conversation, bounded (pure).
Door: `conversation.blueprint`; `turns` for the other rooms of story.
May not import: the other rooms of story but what lies in story/ itself.
"""
