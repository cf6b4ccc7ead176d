"""Decide whether two requests are the same, or alike, and replay a cached answer.

In it: the fingerprint, who the caller is, the guards of the semantic cache, packing and replaying answers.
Door: `fingerprint`, `callers`, `replay`.
May not import: rules, decision.
"""
