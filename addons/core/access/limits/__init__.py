"""How much a caller may ask for, and what it has used: windows, reservations, budgets and their periods.

In it: window (a minute that slides), periods (calendar days and months), account (what one has used and holds), ledger
    (a batch of takings and settlements, applied), credit (what is taken to spare), asking (what a request takes of
    whom), bounds (the most it can come to), written (limits of the rules file), wording and telling (refusals, header
    fields, alerts).
Door: `Take`, `Settlement`, `apply`, `Limits`, and the functions of each file.
May not import: any other room of core but request, record and texts.
"""
