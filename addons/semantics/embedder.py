"""Texts to unit vectors, by a prepared ONNX model, or by sentence-transformers itself.

Long texts are cut to their head and tail: what is asked for stands at the start or at the end of a prompt.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from switchman.addons.semantics.manifest import MODEL, TOKENIZER, Manifest, NotPrepared

Vectors = NDArray[np.float32]  # one row per text
Backend = Literal["onnx", "sentence-transformers"]
BACKENDS: Final = get_args(Backend)
MAX_TOKENS: Final = 128
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
# The commits of models that need no --revision: these are what this version was tried with.
PINS: Final = dict.fromkeys(
    ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"), "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
)
# Fused with the sum before it, normalisation takes 5 x the time of both apart (onnxruntime 1.32): 20 % of all.
SLOW_FUSION: Final = "SkipLayerNormFusion"


class Embedder(Protocol):
    """`digest` names the model: vectors of two models with different ones cannot be compared."""

    model: str
    dimensions: int
    languages: tuple[str, ...]
    digest: str

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class OnnxEmbedder:
    """A folder that `switchman semantic prepare` made, or the model in another `file` of it. Raises NotPrepared."""

    def __init__(self, folder: Path, threads: int = 1, file: str = MODEL) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        manifest = Manifest.of(folder)
        self.model, self.dimensions = manifest.model, manifest.dimensions
        self.languages, self.digest = manifest.languages, manifest.digest
        self._most = manifest.max_tokens
        self._tokenizer: Any = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # 30 MB less, for no time that could be measured
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # an idle core stays idle
        self._session = onnxruntime.InferenceSession(
            str(folder / file), options, providers=["CPUExecutionProvider"], disabled_optimizers=[SLOW_FUSION]
        )
        self._masked = "attention_mask" in {taken.name for taken in self._session.get_inputs()}  # as torch exports it

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One after the other: in a batch the scale of the 8 bits would depend on the other texts."""
        return np.concatenate([self._embed(text) for text in texts])

    def _embed(self, text: str) -> Vectors:
        ids = np.array([head_and_tail(self._tokenizer.encode(text).ids, self._most)], dtype=np.int64)
        feed = {"input_ids": ids} | ({"attention_mask": np.ones_like(ids)} if self._masked else {})
        vectors: Vectors = self._session.run(["embedding"], feed)[0]
        return vectors


def pinned(model: str, revision: str | None = None) -> tuple[str, str]:
    """The name of a model on the hub and the commit that is taken: `revision`, what follows @, or the one known here.

    A name alone, or a branch, stands for whatever its owner puts there next. Raises ValueError.
    """
    name, _, written = model.partition("@")
    commit = revision or written or PINS.get(name, "")
    if not COMMIT.fullmatch(commit):
        what = f"not as {commit!r}, which its owner can move" if commit else "and the one to take is not known here"
        raise ValueError(
            f"from the hub a model is taken by its commit, {what}: 40 hex digits, such as "
            f"https://huggingface.co/{name}/commits/main shows"
        )
    return name, commit


class SentenceTransformersEmbedder:
    """The model itself, from a folder or as NAME@COMMIT from the hub, on a GPU where there is one. Needs
    sentence-transformers. No code of the model's is run, and no pickle is read. Raises NotPrepared.
    """

    def __init__(self, model: str, threads: int = 1) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        given: dict[str, Any] = {"trust_remote_code": False, "model_kwargs": {"use_safetensors": True}}
        if not Path(model).is_dir():
            try:
                model, given["revision"] = pinned(model)
            except ValueError as error:
                raise NotPrepared(str(error)) from None
        self._model = SentenceTransformer(model, **given)
        self._model.max_seq_length = min(self._model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        self.model = model
        self.dimensions = int(self._model.get_sentence_embedding_dimension())
        self.languages: tuple[str, ...] = languages_of(Path(model))
        self.digest = f"sentence-transformers {model}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        encoded = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(encoded, dtype=np.float32)


def open_embedder(backend: Backend, model: str, threads: int = 1) -> Embedder:
    """Raises NotPrepared, and ImportError where an extra is missing."""
    # Tokenizers would start a thread per core, for texts that are far too short for it.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if backend == "onnx":
        return OnnxEmbedder(Path(model), threads)
    return SentenceTransformersEmbedder(model, threads)


def head_and_tail(ids: list[int], most: int) -> list[int]:
    """At most so many tokens: the first half, and the rest from the end, each with its special token."""
    if len(ids) <= most:
        return ids
    head = (most + 1) // 2
    return ids[:head] + ids[len(ids) - (most - head) :]


def languages_of(folder: Path) -> tuple[str, ...]:
    """The languages that the model card (README.md) in a folder names. () where it names none, or many."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    if not card.startswith("---\n"):
        return ()
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        head = YAML(typ="safe", pure=True).load(card[4:].partition("\n---")[0])
    except YAMLError:
        return ()
    declared = head.get("language") if isinstance(head, dict) else None
    codes = [declared] if isinstance(declared, str) else declared if isinstance(declared, list) else []
    if any(code in ("multilingual", "mul") for code in codes):
        return ()
    return tuple(str(code).split("-")[0].lower() for code in codes)
