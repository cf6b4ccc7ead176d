"""OpenAI's API, as its clients (openai-python 3.x types) and its many compatible servers speak it.

In it: chat completions, completions and responses: requests, replies and streams, to and from the neutral form.
Door: `WIRE`, and the codecs that `dialects/codecs.py` names.
May not import: the other dialects' packages, and what dialects may not.
"""
