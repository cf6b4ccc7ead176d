"""What admins change, for pages and programs alike: each change with its line in the list of changes.

In it: `changes` (tokens and keys, and who changed them), `models` and `usage` (what goes in and out, as JSON),
    `operations` (one for each endpoint), `api` (their blueprint, /api/admin), `openapi` (the document of them, pure).
Door: `Changes` for the pages; `blueprint` of `api`, for `app.py`.
May not import: the pages.
"""
