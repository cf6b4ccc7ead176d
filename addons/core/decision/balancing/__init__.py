"""Which of several instances answers first: strategies, weights, splits, and what stays where it was.

In it: the order of a plan's candidates (ordering), by a strategy and its figures (ranking), turns by weight (turns),
a place by a key alone (rendezvous), and what a decision is told of the moment (moment).
Door: `balanced`, `Moment`.
May not import: the rest of decision.
"""
