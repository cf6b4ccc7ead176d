"""Bytes and text, and JSON among them: what is no Unicode, and what is too long to be read at once.

In it: unicode, largejson, longtext.
Door: `unicode`, `largejson`, `longtext`.
May not import: all else of core.
"""
