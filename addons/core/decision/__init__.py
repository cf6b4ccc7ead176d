"""decide(): request, rules and circumstances in, a Plan with its trace out. judge(): what came of an attempt.

In it: the decision, capabilities, the catalogue of models, what servers' lists tell of bare names,
stickiness, the fusion of layers, the arbiter's prompt, rules that a model makes of a sentence.
Door: `decide`, `judge`.
May not import: nothing of core is above it.
"""
