"""Rules as values: the requests that they match, and their targets.

In it: routes and targets, names, plans, conditions and their logic, live figures that conditions test.
Door: `Route`, `Plan`.
May not import: dialects, rules, cache, decision.
"""
