"""Tell chat models from models for embeddings, reranking, sound and pictures, as servers list them all together.

1. A list's own facts decide, where it has any.
2. Else the name does: only what is known to be something else is no chat model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Words of names that no chat model has, without digits at their ends: those of https://platform.openai.com/docs/models,
# https://ollama.com/search?c=embedding, https://docs.litellm.ai/docs/rerank, and the best known on huggingface.co.
_EMBEDDING = ("bge", "gte", "e", "minilm", "mxbai", "paraphrase", "sbert", "colbert", "voyage")
_SOUND = ("whisper", "tts", "stt", "asr", "transcribe", "speech", "kokoro", "piper", "bark", "parler", "orpheus",
          "parakeet", "realtime", "audio")  # fmt: skip
_PICTURES = ("dall", "dalle", "sdxl", "sd", "diffusion", "flux", "imagen", "image", "images", "sora", "veo", "video")
_MORE = ("moderation", "moderations", "guard", "shieldgemma", "babbage", "davinci")
_OTHER_WORDS = frozenset((*_EMBEDDING, *_SOUND, *_PICTURES, *_MORE))
_OTHER_BEGINNINGS = ("embed", "rerank")  # embed-english, embeddings, embeddinggemma, reranker
_SEPARATORS = re.compile(r"[-_./:@ ]+")
_OTHER_FAMILIES = frozenset({"bert", "nomic-bert", "nomic-bert-moe", "bge", "xlm-roberta", "jina-bert-v2"})
_LONGEST = 256  # characters of a name that are looked at


def is_chat(model: str, listed: Mapping[str, Any] | None = None) -> bool:
    """Whether a model answers chats. `listed`: its entry in the server's list, as it came."""
    known = _by_facts(listed) if listed else None
    if known is not None:
        return known
    words = _SEPARATORS.split(model[:_LONGEST].lower())
    return not any(word.rstrip("0123456789") in _OTHER_WORDS or word.startswith(_OTHER_BEGINNINGS) for word in words)


def _by_facts(entry: Mapping[str, Any]) -> bool | None:
    """What the entry says itself; None where it says nothing.

    - `type`: Together ("chat", "language", "embedding", "image", ...), LM Studio ("llm", "vlm", "embeddings")
    - `capabilities`: Mistral ({"completion_chat": true}), newer Ollama (["completion", "embedding"])
    - `architecture`: OpenRouter ({"output_modalities": ["text"]})
    - `details.family`: Ollama ("bert")
    """
    kind = entry.get("type")
    if kind in ("chat", "language", "llm", "vlm"):
        return True
    if kind in ("embedding", "embeddings", "image", "audio", "rerank", "moderation", "video", "transcribe", "tts"):
        return False
    able = entry.get("capabilities")
    if isinstance(able, Mapping) and isinstance(able.get("completion_chat"), bool):
        return bool(able["completion_chat"])
    if isinstance(able, list) and {"completion", "embedding"} & {one for one in able if isinstance(one, str)}:
        return "completion" in able
    architecture = entry.get("architecture")
    made = architecture.get("output_modalities") if isinstance(architecture, Mapping) else None
    if isinstance(made, list):
        return "text" in made
    details = entry.get("details")
    family = details.get("family") if isinstance(details, Mapping) else None
    if isinstance(family, str) and family in _OTHER_FAMILIES:
        return False
    return None
