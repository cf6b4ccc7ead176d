"""Who may ask, and how much.

In it: nothing yet.
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
