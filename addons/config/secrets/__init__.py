"""Where secrets come from: the environment, a file, the vault.

In it: nothing yet.
Door: the functions of each file.
May not import: what config may not.
"""
