"""Anthropic's Messages API (anthropic-python 2.x types)."""
