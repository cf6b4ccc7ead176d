"""Servers asked for their models on our own account, and what is wrong with one in a sentence for a person.

In it: trying (what is asked, and what it means), faults (the sentences).
Door: `trying.try_all`, `trying.servers_of`, for `switchman check` and the dashboard.
May not import: the other rooms of hooks.
"""
