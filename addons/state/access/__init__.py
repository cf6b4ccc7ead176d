"""What the workers know together of callers: tokens, and what they have used.

In it: `tokens` (all of them, kept up to date), `failures` (who comes without a good one, how often), `counters` (what
    limits are counted with), `ledgers`, `sqliteledger` and `redisledger` (where that is kept), `opening`, `alerts`,
    `capturing` (what the log keeps of each request).
Door: the classes that the hooks of access use.
May not import: proxy, hooks and what is above them.
"""
