"""Anthropic's Messages API (anthropic-python 2.x types).

In it: its paths and events (`wire`), requests, replies and streams, to and from the neutral form, and the note for its
bill (`billing`).
Door: `WIRE`, `billing`, and the codec that `dialects/codecs.py` names.
May not import: Ollama's package (it borrows some functions of OpenAI's), and what dialects may not.
"""
