"""Who may ask, for what, how much, and at what price: as values.

In it: `caller`, `apitoken` (a token as a text), `presented` (those that a request came with, and whom they stand for),
    `grants` (what a caller may use), `furthermodels` (what a request names beside its model), `capturing` (what the log
    keeps), `session` (which one a request is of), `written` (all of it as people write it); limits/ (how much, and what
    was used); prices/ (what tokens cost).
Door: `Caller`, `Allowance`, `Budget`.
May not import: any other room of core but request, record and texts.
"""
