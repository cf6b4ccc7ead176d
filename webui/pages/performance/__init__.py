"""Response time against tokens: `/performance`.

In it: `performance`, templates.
Door: `performance.blueprint`.
May not import: the other families.
"""
