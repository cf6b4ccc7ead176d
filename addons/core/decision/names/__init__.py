"""Names of models that no rule has: which server has one, and which are near to one that nothing knows.

In it: bare names, what the servers' lists tell, and what is said of an unknown name.
Door: `known`, `bare`, `unknown`.
May not import: nothing of core is above it.
"""
