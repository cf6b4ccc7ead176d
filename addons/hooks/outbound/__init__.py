"""Each attempt's request, and what becomes of its answer.

In it: Admitting, Rewriting, Streaming, Processing, Judging, Failover, Probing.
Door: the classes that `assembly.py` names.
May not import: the other rooms of hooks.
"""
