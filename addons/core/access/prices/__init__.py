"""What an answer costs, from its usage and a table of prices.

In it: price (Price and Usage, as values); wire (what a usage object says, in each dialect's words); cost (what an
answer costs, and the most that a request can); table (the shipped prices, and whose entry a model has); written (what
a rules file says of a price); words (a price for a person to read).
Door: `Price`, `Usage`, `Prices`, `usage_of`, `cost_of`, `most_of`.
May not import: any other room of core but record and texts.
"""
