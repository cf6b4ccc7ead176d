"""When two requests are the same, or alike, and how an answer is given again.

In it: the fingerprint, the guards of the semantic cache, packing and replaying answers.
Door: `fingerprint`, `replay`.
May not import: rules, decision.
"""
