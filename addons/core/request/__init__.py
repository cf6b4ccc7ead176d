"""Read a client's request: its operation, its body, its sender.

In it: Call, editing JSON and multipart in place, the client's address, origins of web pages, features: text,
language, task type, tokens.
Door: `Call`, `features_of`.
May not import: any other room of core but what lies in core/ itself.
"""
