"""Commands about who may: tokens, keys, and what is forgotten.

In it: a module for each.
Door: `run` of each, for the `switchman` command.
May not import: pipeline. Nothing imports it but cli.
"""
