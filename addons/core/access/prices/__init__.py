"""What an answer costs, from its usage and a table of prices.

In it: nothing yet.
Door: `Price`, `cost_of`.
May not import: any other room of core but record and texts.
"""
