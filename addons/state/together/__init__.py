"""What the workers know together, behind one small interface.

In it: values with a time to live, claims, and requests for one answer that wait for each other.
Door: `Shared`, `Flights`.
May not import: proxy, hooks and what is above them.
"""
