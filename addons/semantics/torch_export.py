"""Exports a sentence-transformers model to ONNX by torch: `python torch_export.py FOLDER TARGET.onnx`.

For architectures that bert.py does not know. On purpose it imports nothing of this project, so that it runs under any
Python (3.11 or later) that has torch, sentence-transformers and onnx. Same inputs and output as bert.py's graphs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

OPSET = 17


def export(source: str, target: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        source, device="cpu", trust_remote_code=False, model_kwargs={"use_safetensors": True}
    ).eval()

    class Whole(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        """All modules of the model, and unit length at the end."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            vector = self.inner({"input_ids": input_ids, "attention_mask": attention_mask})["sentence_embedding"]
            return torch.nn.functional.normalize(vector, dim=1)

    tokens = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        Whole(),
        (tokens, tokens),
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=["embedding"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
        opset_version=OPSET,
        dynamo=False,  # the other exporter needs a further package, and fixes the length where a model compares it
    )


if __name__ == "__main__":
    export(sys.argv[1], Path(sys.argv[2]))
