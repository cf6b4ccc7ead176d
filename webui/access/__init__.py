"""Who may see and change what on the dashboard.

In it: `guard` (the one check that every request passes), `people` (who sends one), `roles` (the least one of each
    route), `viewing` (the log, for whoever asks), `tokens` (the dashboard's token) and `proxied` (what shows a proxy),
    both pure, `csrf` (a word for each change), `lockout` (who has sent wrong tokens).
Door: the functions of each file, for `app.py` and the pages.
May not import: the pages.
"""
