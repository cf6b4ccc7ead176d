"""Everything that is in force, and where it came from: `/settings`.

In it: the page and its data.
Door: `settings.blueprint`.
May not import: the other families.
"""
