"""Ollama's own API (ollama-python 0.6 types, and docs/api.md of the Ollama project).

In it: its paths and lines (`wire`), requests, replies and streams, to and from the neutral form; `/api/show`.
Door: `WIRE`, `show`, and the codec that `dialects/codecs.py` names.
May not import: Anthropic's package (it borrows some functions of OpenAI's), and what dialects may not.
"""
