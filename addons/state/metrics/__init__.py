"""Counts of what the workers do, for Prometheus: each worker adds to a sheet of its own, the dashboard sums them.

In it: which metrics there are, a worker's sheet in memory that other processes read, the names that labels may have,
how a record is counted, the sum over all sheets, and how it is written for Prometheus.
Door: `Sheet`, `RequestCounts`, `Names` for the hooks; `expose` for the dashboard's process; `FOLDER`.
May not import: proxy, hooks and what is above them.
"""
