"""What is written down of a request.

In it: Recording with its `changes`, Underway, Reporting, Counting for /metrics, Telling for OpenTelemetry.
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
