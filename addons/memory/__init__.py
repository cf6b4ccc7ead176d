"""What bodies take up in memory, over all clients: a budget, who waits for room in it, and how what is freed goes back.

In it: the budget and what each request holds of it (budget), whether a connection is read on (taps), the settings of
the C library's heap (heap).
Door: `Budget`, `Hold`, `tap_of`.
May not import: anything else of the router.
"""
