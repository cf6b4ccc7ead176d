"""OpenAI's API, as its clients (openai-python 3.x types) and its many compatible servers speak it."""
