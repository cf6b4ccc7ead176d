"""Secrets in bodies are masked on all pages alike, and in exports: by webui/looks/masked.py."""

from __future__ import annotations

from switchman.webui.looks.masked import is_secret_field, masked_text, masked_value

__all__ = ["is_secret_field", "masked_text", "masked_value"]
