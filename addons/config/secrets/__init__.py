"""Where secrets come from: the environment, a file, the vault.

In it: masterkey (ENCRYPTION_KEY, or the key file), opening (the vault of these settings), references (`file:PATH` and
`vault:NAME` of the rules, and whether any of them changed), capturing (CAPTURE).
Door: the functions of each file.
May not import: what config may not.
"""
