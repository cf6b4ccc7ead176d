"""Who may see and change what on the dashboard.

In it: `guard` (the one check that every request passes), `tokens` (the dashboard's token, pure), `proxied` (what shows
    a proxy, pure).
Door: the functions of each file, for `app.py` and the pages.
May not import: the pages.
"""
