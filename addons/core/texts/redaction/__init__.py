"""What is private in a text: found, replaced by a placeholder, and put back.

In it: finding (what is private), words (a list of words), atrest (before something is stored), redactor (placeholders),
requests (all texts of a body), restoring (the way back).
Door: the functions of each file.
May not import: all else of core.
"""
