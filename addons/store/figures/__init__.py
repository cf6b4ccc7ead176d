"""Figures over many requests: sums per minute, hour and day, kept beside the rows that they are of.

Reading a million rows for a chart takes a second. The writer adds each row to a cell of its minute in the transaction
that writes the row; when an hour is over, its minutes are summed to cells of the hour, and hours to days.

In it: tables (what is stored); spreads (values as characters of a logarithmic scale, and percentiles of them); cells
(rows to cells: pure); keeping (adds, sums up, takes out again); rebuilding (makes
them again from the rows); cover (a range as whole days, hours and minutes, with
the rows at its ends: pure); reading (what pages ask).
Door: `add` and `take` for the writer and what removes rows, `FigureReader` for the queries.
May not import: what the store may not.
"""
