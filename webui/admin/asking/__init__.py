"""What the dashboard itself asks of the router: a request sent again, rules of a sentence.

In it: `sending`, a thread for each; `owntoken`, by which the router knows the dashboard where it asks for tokens;
`describing`, a sentence on its way to rules; `drafts`, what such rules would make of the file; `describeapi`, both for
programs.
Door: `Sending` and `OwnToken`; `Describing`, `look_over`; the operations of `describeapi`.
May not import: the pages.
"""
