"""What travels with a request, and what the router says on its own account.

In it: Exchange and Attempt, refusals, the labels on an answer's head.
Door: `exchange`, `refusal`, `labels`.
May not import: state, proxy, hooks and what is above them.
"""
