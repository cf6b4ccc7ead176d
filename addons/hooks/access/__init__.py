"""Who may ask, and how much.

In it: `callers` (who, by their token).
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
