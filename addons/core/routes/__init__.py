"""Rules as values: what they match, and where they send.

In it: routes and targets, plans, conditions and their logic, live figures that conditions test.
Door: `Route`, `Plan`.
May not import: dialects, rules, cache, decision.
"""
