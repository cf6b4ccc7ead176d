"""The internal form between two dialects: what all of them can say.

In it: requests, replies and streams in that form, their limits, sampling, images, documents, turns.
Door: `form`.
May not import: the packages of the dialects themselves.
"""
