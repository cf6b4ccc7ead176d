"""The rules file: the chain as it is loaded, with what answered how often; changed, tried, taken back: `/rules`.

In it: `chain`, the text and its review (`editing`), one rule as a form (`visual`), `trying`, `versions`, `exchange`.
Door: `blueprint` of each.
May not import: the other families.
"""
