"""Changing the rules file from a page or a program: only what is changed, whole or not at all, and never over others.

In it: `tree` (where each value stands in a text), `emitting` (values as YAML), `rewriting` (new values into a text
    whose rest stays), `edits` (what can be done to routes), `inserting` (new ones in their place), `lineends`,
    `hidden` (keys that no page shows), `replacing` (the file on the disk), `merging` (rules of other routers' JSON),
    `desk` (all of it, for the dashboard).
Door: `RulesDesk`; `rewritten`, `merged` and `replace_file`, for the command.
May not import: what config may not.
"""
