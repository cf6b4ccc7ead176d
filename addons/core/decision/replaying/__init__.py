"""What other rules would have done with requests of before: their decisions, made again, without any upstream.

In it: a request as the log has it (recorded), its decision by one set of rules (replayer; auto's layers after the rules
in layers, what it hangs on in knowing, the stickiness of conversations, live figures of the time), and what became of
all of them (backtest, report, figures; conditions on those, criteria).
Door: `Recorded`, `Backtest`, `Criterion`, `told`.
May not import: nothing of core is above it.
"""
