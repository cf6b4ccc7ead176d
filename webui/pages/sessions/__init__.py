"""Sessions, a list and each as its turns, with where the prompt's cache broke: `/sessions`.

In it: sessions (the list), session (the page of one), conversation (its turns, read from the stored requests), telling
(a break in words).
Door: `blueprint` of `sessions` and `session`.
May not import: the other families.
"""
