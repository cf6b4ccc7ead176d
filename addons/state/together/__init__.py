"""What the workers know together, behind one small interface.

In it: values with a time to live, claims and notes, for one process, one machine (`shared`) or many (`redisshared` over
    `redislink`, with `fallback` while Redis is away; `opening` says which); requests for one answer that wait for each
    other; breakers and live figures, told to the other workers (`standings`), but
    of servers that each machine has for itself (`machine`).
Door: `Shared`, `Flights`.
May not import: proxy, hooks and what is above them.
"""
