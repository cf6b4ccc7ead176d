"""Fit a request in the internal form to what its target refuses, whatever dialects are on the two sides.

In it: rounds of calls and results, names and ids, what servers ran themselves, schemas.
Door: the functions that `translate.py` calls.
May not import: the packages of the dialects themselves.
"""
