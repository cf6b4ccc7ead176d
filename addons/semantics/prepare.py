"""Makes the folder that the semantic process runs: any sentence-transformers model, as ONNX, in 8 bits.

    prepare(given, output, ...) -> Manifest

1. Find the model: a folder, an installed package that carries one, or a name on the Hugging Face hub.
2. Make its graph: bert.py where that knows the architecture, else torch (torch_export.py), if need be under another
   Python that has it.
3. Quantise: weights to int8 per channel; activations stay floats and are quantised on the fly.
4. Compare the quantised vectors with those of the graph in full precision.
5. Write the folder: model.onnx, tokenizer.json, manifest.json.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.numpy import load_file

from switchman.addons.semantics import bert
from switchman.addons.semantics.embedder import MAX_TOKENS, OnnxEmbedder, languages_of, pinned
from switchman.addons.semantics.manifest import MANIFEST, MODEL, TOKENIZER, Manifest

Tell = Callable[[str], None]

# A quantised vector that leaves its original further than this would route differently.
LEAST_AGREEMENT: Final = 0.95
WEIGHTS: Final = "model.safetensors"
FULL: Final = "full.onnx"
CHECKED: Final = "checked.onnx"
HUB_FILES: Final = ["*.json", "*.txt", "*.model", "README.md", WEIGHTS, "*/config.json", "*/" + WEIGHTS]

# What the vectors are compared on: short, long, code, figures, and a language the model may not know.
SAMPLES: Final = (
    "Hello there!",
    "Write a function that reverses a linked list in Java.",
    "What is the area of a circle with a radius of four metres?",
    "Translate this letter to my landlord into German, and keep it polite.",
    "把下面这段话翻译成英文：今天的会议改到下午三点。",
    "SELECT name, count(*) FROM orders GROUP BY name HAVING count(*) > 3 ORDER BY 2 DESC;",
    "Summarise the minutes of our meeting in three bullet points, and name who has to do what. " * 12,
)


class PrepareFailed(Exception):
    """The model cannot be prepared; the message says why, and what may help."""


def prepare(
    given: str,
    output: Path,
    tell: Tell,
    *,
    languages: tuple[str, ...] | None = None,
    python: str | None = None,
    revision: str | None = None,
) -> Manifest:
    """`languages` overrides the model card. `revision`: the commit of a model on the hub. `python`: an interpreter with
    torch and sentence-transformers, for what bert.py does not know. Raises PrepareFailed; then `output` is as it was.
    """
    source = find(given, tell, revision)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".preparing-", dir=output.parent) as name:
        folder = Path(name)
        full = folder / FULL
        _graph(source, full, tell, python)
        shutil.copyfile(_tokenizer(source), folder / TOKENIZER)
        tell("quantising to 8 bits")
        with _quiet():
            quant_pre_process(str(full), str(folder / CHECKED), skip_symbolic_shape=True)
            quantize_dynamic(
                folder / CHECKED, folder / MODEL, per_channel=True, weight_type=QuantType.QInt8,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )  # fmt: skip
        manifest = _compared(source, folder, given, tell, languages)
        manifest.write(folder)
        _move(folder, output)
    size = (output / MODEL).stat().st_size / 1e6
    tell(f"done: {output} ({size:.0f} MB, {manifest.dimensions} dimensions, {_in_words(manifest.languages)})")
    return manifest


def find(given: str, tell: Tell, revision: str | None = None) -> Path:
    """The folder of a model that is given by folder, by installed package, or by its name on the hub."""
    folder = Path(given).expanduser()
    if folder.is_dir():
        tell(f"model folder {folder}")
        return folder
    if packaged := _packaged(given):
        tell(f"model of the installed package {given}: {packaged}")
        return packaged
    return _from_hub(given, tell, revision)


def _packaged(name: str) -> Path | None:
    try:
        files = importlib.metadata.distribution(name).files or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    return next((Path(str(file.locate())).parent for file in files if file.name == WEIGHTS), None)


def _from_hub(given: str, tell: Tell, revision: str | None) -> Path:
    """Weights as safetensors and texts only: no pickle, and no code."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        name, commit = pinned(given, revision)
    except ValueError as error:
        raise PrepareFailed(f"{given} is no folder, no installed package; {error} (--revision COMMIT)") from None
    tell(f"downloading {name} from the hub, as of commit {commit}")
    try:
        return Path(snapshot_download(_full(name), revision=commit, allow_patterns=HUB_FILES))
    except (OSError, ValueError, HFValidationError) as error:
        raise PrepareFailed(
            f"{name} is no folder, no installed package, and not to be had from the hub: {error}"
        ) from error


def _full(name: str) -> str:
    """As sentence-transformers reads a name without an owner."""
    return name if "/" in name else f"sentence-transformers/{name}"


def _graph(source: Path, target: Path, tell: Tell, python: str | None) -> None:
    try:
        model = bert.build(_bert_source(source))
    except bert.Unsupported as reason:
        tell(f"torch exports the model ({reason})")
        _torch_export(source, target, python or sys.executable)
        return
    tell("graph made from the weights")
    onnx.save(model, target)


def _bert_source(source: Path) -> bert.Source:
    """Raises bert.Unsupported where the folder has something that bert.py does not know."""
    if not (source / WEIGHTS).exists():
        raise bert.Unsupported(f"it has no {WEIGHTS}")
    config = _json(source / "config.json")
    bert.Source(config, {}, _pooling(source)).check()
    weights = {name: value.astype(np.float32) for name, value in load_file(source / WEIGHTS).items()}
    return bert.Source(config, weights, _pooling(source))


def _pooling(source: Path) -> str:
    modules = _json(source / "modules.json") if (source / "modules.json").exists() else []
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if unknown := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
        raise bert.Unsupported(f"a module {', '.join(sorted(unknown))}")
    place = next((module["path"] for module, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), None)
    if place is None:
        return "mean"  # what sentence-transformers itself does for a plain encoder
    modes = [
        mode for mode, on in _json(source / place / "config.json").items() if mode.startswith("pooling_mode_") and on
    ]
    return {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}.get(
        modes[0] if len(modes) == 1 else "", "other"
    )


def _torch_export(source: Path, target: Path, python: str) -> None:
    script = Path(__file__).with_name("torch_export.py")
    ended = subprocess.run(  # noqa: S603 - the interpreter is the person's own choice  # nosec B603
        [python, "-P", str(script), str(source.absolute()), str(target)], check=False, capture_output=True, text=True
    )
    if ended.returncode != 0 or not target.exists():
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        raise PrepareFailed(
            f"{python} could not export the model: {last}. It needs torch, sentence-transformers and onnx: "
            "install the extra `semantic-export`, or name an interpreter that has them with --python"
        )


def _tokenizer(source: Path) -> Path:
    if not (found := source / TOKENIZER).exists():
        raise PrepareFailed(f"{source} has no {TOKENIZER}: save the model once with a fast tokenizer")
    return found


def _compared(source: Path, folder: Path, given: str, tell: Tell, languages: tuple[str, ...] | None) -> Manifest:
    digest = hashlib.sha256((folder / MODEL).read_bytes() + (folder / TOKENIZER).read_bytes()).hexdigest()
    shape = onnx.load(folder / MODEL, load_external_data=False).graph.output[0].type.tensor_type.shape
    known = languages if languages is not None else languages_of(source)
    manifest = Manifest(given, shape.dim[1].dim_value, known, min(MAX_TOKENS, _limit(source)), digest, 1.0)
    manifest.write(folder)
    small, exact = (OnnxEmbedder(folder, file=file).embed(SAMPLES) for file in (MODEL, FULL))
    agreement = float((small * exact).sum(axis=1).min())
    tell(f"quantised and full vectors agree: least cosine {agreement:.3f} over {len(SAMPLES)} texts")
    if not agreement >= LEAST_AGREEMENT:
        raise PrepareFailed(
            f"quantised vectors differ too much ({agreement:.3f} < {LEAST_AGREEMENT}): run the model itself, "
            "with SEMANTIC_BACKEND=sentence-transformers"
        )
    return replace(manifest, agreement=round(agreement, 4))


def _limit(source: Path) -> int:
    """Tokens the model was made for."""
    path = source / "sentence_bert_config.json"
    said = _json(path).get("max_seq_length") if path.exists() else None
    return said if isinstance(said, int) else MAX_TOKENS


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrepareFailed(f"{path} cannot be read: {error}") from error


def _move(folder: Path, output: Path) -> None:
    """An old folder, if it was ours, makes room."""
    if output.exists():
        if any(output.iterdir()) and not (output / MANIFEST).exists():
            raise PrepareFailed(f"{output} holds something else: name an empty folder")
        shutil.rmtree(output)
    output.mkdir()
    for name in (MODEL, TOKENIZER, MANIFEST):  # the manifest last: a folder without one is no model
        shutil.copyfile(folder / name, output / name)


def _in_words(languages: tuple[str, ...]) -> str:
    return "languages: " + ", ".join(languages) if languages else "any language"


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's quantiser advises, on the root logger, to do what was just done."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)
