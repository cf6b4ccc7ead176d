"""How much a caller may ask for, and what it has used: windows, reservations, budgets and their periods.

In it: window (a minute that slides), periods (calendar days and months), account (what one has used and holds),
    ledger (a batch of takings and settlements, applied), bounds (the most a request can come to), file (the rules
    file's part), wording (refusals and header fields, by dialect).
Door: `Take`, `Settlement`, `apply`, `LimitsFile`, and the functions of each file.
May not import: any other room of core but request, record and texts.
"""
