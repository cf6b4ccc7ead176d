"""The manifest of a prepared model's folder: `manifest.json`, written by prepare.py, read at every start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from switchman.addons.config.regular import read_file

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
MAX_BYTES: Final = 1_000_000  # of the manifest
MAX_TEXT: Final = 500  # characters of a name in it


class NotPrepared(Exception):
    """The folder holds no model that this version can run. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`languages`: ISO 639-1 codes the model knows, () for any. `max_tokens`: what one text is cut to, special tokens
    included. `digest`: hex, of model and tokenizer. `agreement`: the least cosine between the original model's vectors
    and these, over the texts they were compared on.
    """

    model: str
    dimensions: int
    languages: tuple[str, ...]
    max_tokens: int
    digest: str
    agreement: float
    format: int = FORMAT

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        """Raises NotPrepared."""
        advice = f"make one with: switchman semantic prepare MODEL --output {folder}"
        try:
            data = json.loads(read_file(folder / MANIFEST, MAX_BYTES))
            found = cls(**{**data, "languages": tuple(data["languages"])})
            found.check()
        except FileNotFoundError:
            raise NotPrepared(f"no prepared model in {folder}; {advice}") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise NotPrepared(f"{folder / MANIFEST} cannot be read ({error}); {advice}") from error
        if found.format != FORMAT:
            raise NotPrepared(f"{folder} was prepared by another version; {advice}")
        return found

    def check(self) -> None:
        """Raises ValueError for what no model has: figures of it decide how much memory is taken."""
        texts = (self.model, self.digest, *self.languages)
        if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts) or len(self.languages) > 1000:
            raise ValueError("model, digest, languages: expected short texts")
        for name, value, most in (("dimensions", self.dimensions, 16_384), ("max_tokens", self.max_tokens, 131_072)):
            if type(value) is not int or not 0 < value <= most:
                raise ValueError(f"{name}: expected a whole number from 1 to {most}")
        if type(self.agreement) not in (int, float) or not -1.01 <= self.agreement <= 1.01:
            raise ValueError("agreement: expected a cosine")

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
