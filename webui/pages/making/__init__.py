"""New rules for those who write none, by five questions or by a sentence: `/rules/wizard`, `/rules/describe`.

In it: the wizard, and the rules that a model makes of a sentence, each with its templates.
Door: `blueprint` of each.
May not import: the other families.
"""
