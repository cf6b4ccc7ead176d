"""The pages, a family to a folder: its blueprint, its queries and its templates together.

In it: the families, and what several of them show: the filter bar, example commands.
Door: `blueprint` of each family, for `app.py`.
May not import: a family does not import another one.
"""
