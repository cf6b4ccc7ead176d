"""What pages and exports ask of the log.

In it: queries (lists, details, menus), filters, sessions, summaries, recordings (all of a time, in order, with bodies).
Door: `Queries`, `Filters`, `Recordings`.
May not import: what the store may not.
"""
