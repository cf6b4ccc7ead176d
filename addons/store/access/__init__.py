"""Who may: tokens, keys that are kept encrypted, and who changed what.

In it: nothing yet.
Door: the classes of each file, for the store, cli and webui.
May not import: what the store may not.
"""
