"""Decide whether two requests are the same, or alike, and replay a cached answer.

In it: the fingerprint, the guards of the semantic cache, packing and replaying answers.
Door: `fingerprint`, `replay`.
May not import: rules, decision.
"""
