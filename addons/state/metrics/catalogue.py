"""Which metrics there are: names, units and types by Prometheus' rules (base units, `_total` for counters).

Counters and histograms are summed over the workers, also over those that are gone. Gauges are summed over the workers
that run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]
OTHER: Final = "other"  # in the place of the names that a label has no room for

# Seconds. A request takes from a millisecond (a cache) to many minutes (a model that thinks).
DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
FIRST_TOKENS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OVERHEADS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """`buckets`: upper bounds of a histogram's, without +Inf."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def slots(self) -> int:
        """Numbers that one series takes: one; of a histogram its sum, and a count for each bucket and for +Inf."""
        return 2 + len(self.buckets) if self.kind == "histogram" else 1


MODEL: Final = ("server", "model")

REQUESTS: Final = Metric(
    "switchman_requests_total",
    "counter",
    "Requests that are over, as the log has them. Empty: no server answered, no rule decided.",
    (*MODEL, "layer", "outcome"),
)
ERRORS: Final = Metric("switchman_errors_total", "counter", "Requests that ended with an error.", ("server", "class"))
UNLOGGED: Final = Metric(
    "switchman_unlogged_refusals_total",
    "counter",
    "Requests of unknown callers that were refused like others shortly before, and so have no row in the log.",
)
ATTEMPTS: Final = Metric(
    "switchman_attempts_total",
    "counter",
    "Attempts at servers: `ok`, or how they failed. A request has several where one server stood in for another.",
    ("server", "outcome"),
)
DURATION: Final = Metric(
    "switchman_request_duration_seconds",
    "histogram",
    "From a request's first byte to the end of its answer.",
    (*MODEL, "outcome"),
    DURATIONS,
)
FIRST_TOKEN: Final = Metric(
    "switchman_time_to_first_token_seconds",
    "histogram",
    "From a request's first byte to the first token of a streamed answer.",
    MODEL,
    FIRST_TOKENS,
)
OVERHEAD: Final = Metric(
    "switchman_router_overhead_seconds",
    "histogram",
    "The router's own time before the first attempt went out, a deciding layer's included.",
    ("layer",),
    OVERHEADS,
)
PROMPT_TOKENS: Final = Metric(
    "switchman_prompt_tokens_total", "counter", "Tokens of prompts, as servers told them.", MODEL
)
COMPLETION_TOKENS: Final = Metric(
    "switchman_completion_tokens_total", "counter", "Tokens of answers, thoughts included, as servers told them.", MODEL
)
CACHED_TOKENS: Final = Metric(
    "switchman_cached_prompt_tokens_total", "counter", "Tokens of prompts that a server's own cache had.", MODEL
)
REASONING_TOKENS: Final = Metric(
    "switchman_reasoning_tokens_total", "counter", "Tokens of thoughts, which are among those of answers.", MODEL
)
COST: Final = Metric("switchman_cost_dollars_total", "counter", "What answers cost, all attempts included.", MODEL)
SAVED: Final = Metric(
    "switchman_saved_cost_dollars_total", "counter", "What cached answers had cost when they were first given.", MODEL
)
CACHE: Final = Metric(
    "switchman_cache_requests_total", "counter", "Requests that a cache was looked through for.", ("status",)
)
CACHE_HITS: Final = Metric("switchman_cache_hits_total", "counter", "Answers of a cache.", ("layer",))
DECISIONS: Final = Metric("switchman_decisions_total", "counter", "Requests by the layer that decided.", ("layer",))
LOG_ROWS: Final = Metric("switchman_log_rows_total", "counter", "Rows that were written to the log.")
LOG_DROPPED: Final = Metric(
    "switchman_log_dropped_rows_total", "counter", "Rows that were lost, as queue and spool were full. It must be 0."
)
LOG_FAILED: Final = Metric("switchman_log_failed_rows_total", "counter", "Rows that could not be stored.")
LOG_SPOOLED: Final = Metric(
    "switchman_log_spooled_rows_total", "counter", "Rows that waited on disk, as the database could not be written."
)
STARTS: Final = Metric("switchman_worker_starts_total", "counter", "Starts of workers, restarts included.")
WORKER_CPU: Final = Metric(
    "switchman_worker_cpu_seconds_total", "counter", "Time of the processor that a worker has used.", ("worker",)
)
WORKER_MEMORY: Final = Metric(
    "switchman_worker_resident_memory_bytes", "gauge", "Memory that a worker takes up.", ("worker",)
)
IN_FLIGHT: Final = Metric("switchman_in_flight_requests", "gauge", "Requests that run.")
SERVER_IN_FLIGHT: Final = Metric(
    "switchman_server_in_flight_attempts", "gauge", "Attempts that run at a server.", ("server",)
)
QUEUED: Final = Metric(
    "switchman_queued_requests", "gauge", "Requests that wait for their turn at a server.", ("server",)
)
BREAKERS: Final = Metric(
    "switchman_breakers",
    "gauge",
    "Breakers that are not closed: workers that leave this target alone (open), or try it again (half_open).",
    (*MODEL, "state"),
)
LOG_QUEUE: Final = Metric("switchman_log_queued_rows", "gauge", "Rows that wait in memory to be written.")

# What the workers count.
COUNTED: Final = (
    REQUESTS, ERRORS, UNLOGGED, ATTEMPTS, DURATION, FIRST_TOKEN, OVERHEAD, PROMPT_TOKENS, COMPLETION_TOKENS,
    CACHED_TOKENS, REASONING_TOKENS, COST, SAVED, CACHE, CACHE_HITS, DECISIONS, LOG_ROWS, LOG_DROPPED, LOG_FAILED,
    LOG_SPOOLED, STARTS, WORKER_CPU, WORKER_MEMORY, IN_FLIGHT, SERVER_IN_FLIGHT, QUEUED, BREAKERS, LOG_QUEUE,
)  # fmt: skip

# What the dashboard's process adds.
WORKERS: Final = Metric("switchman_workers", "gauge", "Workers that run.")
LOG_WAITING: Final = Metric("switchman_log_spool_rows", "gauge", "Rows that wait on disk to be written.")
RULES: Final = Metric("switchman_rules_valid", "gauge", "1 where the rules file as it is now is in force, else 0.")
STARTED: Final = Metric("switchman_start_time_seconds", "gauge", "When the router was started, since 1970.")
BUILD: Final = Metric(
    "switchman_build_info", "gauge", "1, with the version of the router, and of Python.", ("version", "python")
)
ADDED: Final = (WORKERS, LOG_WAITING, RULES, STARTED, BUILD)

BY_NAME: Final = {metric.name: metric for metric in COUNTED}
