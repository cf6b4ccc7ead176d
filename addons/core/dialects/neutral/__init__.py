"""The internal form between two dialects, and what all of their codecs share.

In it: requests, replies and streams in that form, their limits, sampling, images, documents, turns.
Door: `form`.
May not import: the packages of the dialects themselves.
"""
