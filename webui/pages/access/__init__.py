"""What admins manage: API tokens, providers' keys, and who changed what: `/tokens`, `/keys`, `/audit`.

In it: `tokens`, `keys`, `changes` (a blueprint each), `forms` (what is typed into the forms, as values), templates.
Door: `blueprint` of `tokens`, `keys` and `changes`.
May not import: the other families.
"""
