"""Signing in and out.

In it: `signin`, its template.
Door: `signin.blueprint`.
May not import: the other families.
"""
