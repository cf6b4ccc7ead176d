"""What people and programs say of a request: `/api/feedback`, and what the form on `/request/<id>` sends.

In it: `feedback`, the endpoints; `given`, what they are sent.
Door: `feedback.blueprint`.
May not import: the other families.
"""
