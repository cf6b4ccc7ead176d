"""What every process of ours reads at its start.

In it: settings, the rules file and its watch, where the log is, what a child of the supervisor does first,
back-tests (replaying).
Door: `load_settings`, `RulesFile`.
May not import: mitmproxy, and all rooms but store and core.
"""
