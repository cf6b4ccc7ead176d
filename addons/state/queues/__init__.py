"""How much is asked of each server at once, and who waits until it may be asked.

In it: the attempts that run now, by target and by server; queues for servers that are asked as much as they may be.
Door: `Busy`, `Queues`.
May not import: proxy, hooks and what is above them.
"""
