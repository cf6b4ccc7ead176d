"""What requests are filtered by, column by column: 4,096 of them in a piece of 50 kB.

Figures know some filters only, and no index answers every combination of the others: a million rows take seconds to be
looked at, and their columns a tenth of one. A piece is made after its last row was written, by the thread that ages
out; it goes when one of its rows goes, and is made again. Rows that are in no piece are read themselves, so what is
found is right whether or not pieces are there; what is too much of those is left out, and that is said.

In it: tables (what is stored); pieces (rows to columns and back: pure); sieves (filters to masks of a piece: pure);
keeping (makes pieces, removes them); reading (looks through all of them); looks (what that found).
Door: `make_pieces` and `drop_pieces` for what writes and removes rows, `ColumnReader` for the queries.
May not import: what the store may not.
"""
