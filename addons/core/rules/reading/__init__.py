"""From the text of a rules file, YAML or JSON, in our form or in another router's, to its shape with every place in it.

In it: YAML with its places, the shape that is wanted, claude-code-router's JSON; the grammar
of balancing, limits of servers, overflow and mirrors.
Door: the functions of each file, for the rest of rules.
May not import: cache, decision.
"""
