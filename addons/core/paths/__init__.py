"""What a request's path says: which operation it is, in which dialect, and which model it or its query names.

In it: the tables of paths, the one reader of a path, models named in forms and queries, what a 404 advises, which
requests take a server's key.
Door: `read`, `Reading`.
May not import: any other room of core but request.
"""
