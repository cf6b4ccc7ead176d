"""Who may: tokens, keys that are kept encrypted, and who changed what.

In it: `tables`, `generations` (whether anything was changed), `tokens`, `sealing` and `vault` (keys), `audit` (who
    changed what), `opening` (with the log, or without it).
Door: the classes of each file, for the store, cli and webui.
May not import: what the store may not.
"""
