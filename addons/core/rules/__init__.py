"""From a rules file's text to a Ruleset, with every fault by file, line and column.

In it: YAML text with places, the shape of the file, presets, compilers and checks, what rules say by their names.
Door: `parse_ruleset`, `Ruleset`.
May not import: cache, decision.
"""
