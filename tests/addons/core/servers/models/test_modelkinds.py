"""Which models of a list answer chats."""

from typing import Any

import pytest

from switchman.addons.core.servers.models.modelkinds import is_chat

CHAT = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "o3",
    "chatgpt-4o-latest",
    "claude-sonnet-4-5",
    "llama3",
    "llama3:latest",
    "llama3.2:3b",
    "qwen3:8b",
    "qwen2.5-coder:7b",
    "hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M",
    "mistral-large-latest",
    "gemma3:4b",
    "deepseek-r1:7b",
    "phi4",
    "gpt-oss:20b",
    "moonshotai/kimi-k2",
    "org/plain",
    "gemini-2.5-flash",
    "llava",
    "qwen2.5vl:7b",
    "granite3.3",
    "smollm2",
    "command-r",
    "Meta-Llama-3.1-8B-Instruct",
    "codestral",
    "devstral",
    "demo-think",
    "demo-flaky",
    "fake-model",
    "barky",
    "teal",
    "fluxion",
    "guardian-llm-x",
    "gpt-4-vision-preview",
    "models/gemini-2.5-pro",
    "glm-4.6",
    "grok-4",
    "kimi-k2-thinking",
    "nous-hermes2",
    "flash-guardrails-7b",
]
OTHER = [
    "text-embedding-3-small",
    "text-embedding-ada-002",
    "nomic-embed-text",
    "nomic-embed-text:latest",
    "mxbai-embed-large",
    "bge-m3",
    "bge-large:335m",
    "all-minilm:l6-v2",
    "snowflake-arctic-embed2",
    "qwen3-embedding:0.6b",
    "Qwen/Qwen3-Embedding-8B",
    "Qwen/Qwen3-Reranker-4B",
    "embeddinggemma",
    "embeddinggemma:300m",
    "whisper-1",
    "whisper-large-v3-turbo",
    "openai/whisper",
    "tts-1",
    "tts-1-hd",
    "gpt-4o-mini-tts",
    "gpt-4o-transcribe",
    "gpt-4o-audio-preview",
    "gpt-4o-realtime-preview",
    "gpt-realtime",
    "gpt-image-1",
    "dall-e-3",
    "stable-diffusion-xl",
    "black-forest-labs/FLUX.1-schnell",
    "omni-moderation-latest",
    "llama-guard3",
    "meta-llama/Llama-Guard-4-12B",
    "jina-embeddings-v3",
    "jina-reranker-v2",
    "rerank-english-v3",
    "cohere/rerank-v3.5",
    "sora-2",
    "babbage-002",
    "davinci-002",
    "mistral-embed",
    "models/text-embedding-004",
    "gemini-embedding-001",
    "imagen-4.0-generate",
    "playai-tts",
    "canopylabs/orpheus-tts",
    "intfloat/multilingual-e5-large",
    "thenlper/gte-large",
    "sentence-transformers/all-MiniLM-L6-v2",
    "BAAI/bge-reranker-v2-m3",
    "granite-embedding:30m",
    "gemini-2.5-flash-image-preview",
    "gemini-2.5-flash-preview-tts",
    "voyage-3",
    "embed-english-v3.0",
    "paraphrase-multilingual",
]


@pytest.mark.parametrize("name", CHAT)
def test_chat_models_are_told_by_their_names(name: str) -> None:
    """A name that tells nothing is a chat model's."""
    assert is_chat(name)


@pytest.mark.parametrize("name", OTHER)
def test_models_for_something_else_are_told_by_their_names(name: str) -> None:
    """Embeddings, reranking, sound, pictures, moderation."""
    assert not is_chat(name)


@pytest.mark.parametrize(
    ("entry", "chat"),
    [
        ({"type": "embedding"}, False),
        ({"type": "embeddings"}, False),
        ({"type": "image"}, False),
        ({"type": "chat"}, True),
        ({"type": "vlm"}, True),
        ({"capabilities": {"completion_chat": False}}, False),
        ({"capabilities": {"completion_chat": True}}, True),
        ({"capabilities": ["embedding"]}, False),
        ({"capabilities": ["completion", "tools"]}, True),
        ({"architecture": {"output_modalities": ["image"]}}, False),
        ({"architecture": {"output_modalities": ["text", "image"]}}, True),
        ({"details": {"family": "nomic-bert"}}, False),
    ],
)
def test_what_the_list_says_itself_counts_before_the_name(entry: dict[str, Any], chat: bool) -> None:
    """The name says the opposite here."""
    assert is_chat("text-embedding" if chat else "llama3", entry) is chat


@pytest.mark.parametrize(
    "entry", [{}, {"type": "model"}, {"type": []}, {"capabilities": [{}]}, {"capabilities": 5}, {"architecture": "x"},
              {"architecture": {"output_modalities": 5}}, {"details": {"family": "llama"}},
              {"details": []}, {"details": {"family": []}}],
)  # fmt: skip
def test_an_entry_that_says_nothing_leaves_it_to_the_name(entry: dict[str, Any]) -> None:
    """Whatever is in it."""
    assert is_chat("llama3", entry)
    assert not is_chat("nomic-embed-text", entry)
