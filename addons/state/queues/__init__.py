"""How much is asked of each server at once, and who waits until it may be asked.

In it: the attempts that run now, by target and by server.
Door: `Busy`.
May not import: proxy, hooks and what is above them.
"""
