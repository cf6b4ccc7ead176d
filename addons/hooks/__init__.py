"""The addons, in the order in which a request meets them; `addons/__init__.py` has the table of who does what.

In it: a room for each part of a request's way, and `seen`, which gives them an Exchange as the pure core sees it, and
    `resting`, which says whom to ask last.
Door: the classes that `assembly.py` names.
May not import: cli, serving, assembly; a room here does not import another one: they meet in the Exchange and in
    assembly.py.
"""
