"""Ollama's own API (ollama-python 0.6 types, and docs/api.md of the Ollama project)."""
