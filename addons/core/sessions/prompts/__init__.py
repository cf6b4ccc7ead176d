"""Two prompts of one conversation compared: whether the earlier is how the later begins, as providers' caches need it.

In it: reading (a request's body as the items of its prompt), difference (where two values differ first, and where that
stands in the text), breaks (what broke the cache), loss (what that cost).
Door: `read_prompt`, `find_break`, `loss_of`.
May not import: what sessions may not.
"""
