"""Bytes and text, and JSON among them: what is no Unicode, and what is too long to be read at once.

In it: unicode, largejson, longtext; masking (what looks like a secret); redaction/ (what is private);
searching/ (by which words a text is found); aligning (two lists of lines).
Door: `unicode`, `largejson`, `longtext`, `masking`, `aligning`.
May not import: all else of core.
"""
