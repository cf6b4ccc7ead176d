"""The overview: figures over many requests, charts of them, and how the servers are: `/`.

In it: overview (the routes), charts (what each chart shows: pure), savings (against another model's price: pure),
health (each server, as far as the log and the workers tell: pure).
Door: `overview.blueprint`.
May not import: the other families.
"""
