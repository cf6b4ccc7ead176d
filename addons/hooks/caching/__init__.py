"""Answers given before, given again.

In it: Caching and Keeping (exact), SemanticCache (alike).
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
