"""The manifest of a prepared model's folder: `manifest.json`, written by prepare.py, read at every start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"


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
            data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            found = cls(**{**data, "languages": tuple(data["languages"])})
        except FileNotFoundError:
            raise NotPrepared(f"no prepared model in {folder}; {advice}") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise NotPrepared(f"{folder / MANIFEST} cannot be read ({error}); {advice}") from error
        if found.format != FORMAT:
            raise NotPrepared(f"{folder} was prepared by another version; {advice}")
        return found

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
