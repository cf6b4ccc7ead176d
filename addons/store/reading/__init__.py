"""What pages and exports ask of the log.

In it: queries (lists, details, menus), filters, sessions, summaries.
Door: `Queries`, `Filters`.
May not import: what the store may not.
"""
