"""Servers as admins and operators see, test and change them, for pages and programs alike.

In it: `servers` (each as it is seen, and what is changed of it), `servertests` (asked for its models, or for a word),
    `serversmodels` (what goes in and out, as JSON), `serversapi` (the operations).
Door: the functions of each file, for the pages; the operations of `serversapi`, for admin/operations.py.
May not import: the pages.
"""
