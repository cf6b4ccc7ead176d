"""Who may ask, and how much.

In it: `callers` (who, by their token), `limits` (how much), `settling` (what it came to), `pricing` (the most that it
    can cost).
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
