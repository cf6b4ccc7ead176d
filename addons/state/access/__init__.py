"""What the workers know together of callers: tokens, and what they have used.

In it: nothing yet.
Door: the classes that the hooks of access use.
May not import: proxy, hooks and what is above them.
"""
