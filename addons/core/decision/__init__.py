"""decide(): request, rules and circumstances in, a Plan with its trace out.

In it: the decision, capabilities, the catalogue of models, stickiness, the fusion of layers, the arbiter's prompt.
Door: `decide`.
May not import: nothing of core is above it.
"""
