"""Who may: tokens, keys that are kept encrypted, and who changed what.

In it: tables; sealing and vault (providers' keys, encrypted).
Door: the classes of each file, for the store, cli and webui.
May not import: what the store may not.
"""
