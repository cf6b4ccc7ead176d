"""What the caches answered, and whether they were right: `/cache`.

In it: the page, its data, verdicts, and the button that clears.
Door: `cache.blueprint`.
May not import: the other families.
"""
