"""What came of an attempt: whether a body is the answer that was asked for, and how the attempt ended.

In it: judge() and its Verdict; what is expected of an answer; whether a body can be read as one (readable, sniffing),
also while it is held back (held); the class of an error (errorclass).
Door: `judge`, `error_class`.
May not import: nothing of core is above it.
"""
