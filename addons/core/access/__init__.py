"""Who may ask, for what, how much, and at what price: as values.

In it: caller; prices/ (what tokens cost).
Door: `Caller`, `Allowance`, `Budget`.
May not import: any other room of core but request, record and texts.
"""
