"""Other rules on your own traffic: `/rules/backtest`, and the panel of it that other pages include.

In it: `backtest` (pages), running (one back-test, bounded), templates.
Door: `backtest.blueprint`; the template `backtest_panel.html`.
May not import: the other families.
"""
