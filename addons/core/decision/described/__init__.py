"""Rules from a sentence: what a model is asked for them, what of its reply are rules, and which names in them are none.

In it: the prompt (prompting), a reply's blocks (replies) and what in them are rules (shapes), and the names (naming).
Door: `messages`, `read_reply`, `read_draft`, `findings`.
May not import: nothing of core is above it.
"""
