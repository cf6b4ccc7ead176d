"""A model becomes a folder that runs: the real one from its weights, and small ones of every kind that is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from switchman.addons.cli import semantic
from switchman.addons.semantics import bert
from switchman.addons.semantics.embedder import MAX_TOKENS, head_and_tail, languages_of, open_embedder
from switchman.addons.semantics.manifest import MODEL, Manifest, NotPrepared
from switchman.addons.semantics.prepare import PrepareFailed, prepare

# Vectors of the original model, by sentence-transformers 6.2 and torch 2.13, rounded to four places.
REFERENCE = json.loads((Path(__file__).parent / "minilm_vectors.json").read_text(encoding="utf-8"))


def test_prepared_vectors_are_those_of_the_original(prepared_model: Path) -> None:
    """Against figures of the model as torch runs it; the quantised ones point the same way."""
    embedder = open_embedder("onnx", str(prepared_model))
    for text, wanted in REFERENCE.items():
        found = embedder.embed([text])[0]
        assert found.shape == (384,) and float(found @ found) == pytest.approx(1, abs=1e-4)
        assert float(found @ np.array(wanted)) > 0.97, text


def test_several_texts_give_what_single_ones_give(prepared_model: Path) -> None:
    """To the last bit: a vector depends on its text alone, whatever is asked for beside it."""
    embedder = open_embedder("onnx", str(prepared_model))
    texts = ["Hi", "A much longer sentence about the weather in the mountains in late autumn."]
    assert (embedder.embed(texts) == np.stack([embedder.embed([text])[0] for text in texts])).all()


def test_a_graph_that_wants_a_mask_gets_one(prepared_model: Path, tmp_path: Path) -> None:
    """As torch exports it: with nothing padded, all of it is ones."""
    shutil.copytree(prepared_model, tmp_path / "model")
    names = ("input_ids", "attention_mask")
    nodes = [
        helper.make_node("Add", names, ["sum"]),
        helper.make_node("Cast", ["sum"], ["embedding"], to=TensorProto.FLOAT),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "length"]) for name in names]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, "length"])]
    graph = helper.make_graph(nodes, "sum", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "model" / MODEL)  # fmt: skip
    found = open_embedder("onnx", str(tmp_path / "model")).embed(["hello"])
    assert found.tolist() == [[101 + 1, 7592 + 1, 102 + 1]]  # [CLS] hello [SEP], and a mask


def test_a_long_text_keeps_its_head_and_its_tail(prepared_model: Path) -> None:
    """What is asked stands first or last: the middle of a long text does not count."""
    assert head_and_tail(list(range(10)), 6) == [0, 1, 2, 7, 8, 9]
    assert head_and_tail(list(range(10)), 5) == [0, 1, 2, 8, 9]
    embedder = open_embedder("onnx", str(prepared_model))
    head, tail = "one two three " * 60, " and what is the capital of France?"
    same = embedder.embed([head + "cat " * 500 + head + tail, head + "dog " * 900 + head + tail])
    assert float(same[0] @ same[1]) > 0.999
    assert MAX_TOKENS == 128


def test_the_manifest_says_what_the_model_card_says(prepared_model: Path, model_source: Path) -> None:
    """English only, 384 dimensions, and how far the quantised vectors are off."""
    manifest = Manifest.of(prepared_model)
    assert (manifest.dimensions, manifest.languages, manifest.max_tokens) == (384, ("en",), 128)
    assert 0.95 <= manifest.agreement <= 1
    assert languages_of(model_source) == ("en",)


def test_a_folder_without_a_model_says_what_to_do(tmp_path: Path) -> None:
    """The message is what a person sees at the start."""
    with pytest.raises(NotPrepared, match="switchman semantic prepare"):
        Manifest.of(tmp_path)
    (tmp_path / "manifest.json").write_text('{"model": 1}')
    with pytest.raises(NotPrepared, match="cannot be read"):
        Manifest.of(tmp_path)


def test_a_folder_with_other_things_in_it_is_left_alone(model_source: Path, tmp_path: Path) -> None:
    """--output ~ is a mistake, not an order to clear it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("my work")
    with pytest.raises(PrepareFailed, match="something else"):
        prepare(str(model_source), tmp_path / "out", lambda line: None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_names_what_it_cannot_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no package, no hub: exit code 1, and one sentence."""
    folder = tmp_path / "empty"
    folder.mkdir()
    assert semantic.run(["prepare", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "torch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_architecture_that_is_not_known_goes_to_torch(model_source: Path, tmp_path: Path) -> None:
    """Under the interpreter that was named; one without torch is told what it lacks."""
    folder = tmp_path / "model"
    shutil.copytree(model_source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    (folder / "model.safetensors").write_bytes(b"")
    told: list[str] = []
    with pytest.raises(PrepareFailed, match="needs torch"):
        prepare(str(folder), tmp_path / "out", told.append)
    assert any("mpnet" in line for line in told)


SMALL = {
    "hidden_act": "gelu", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12,
    "pad_token_id": 1,
}  # fmt: skip


def small_weights(prefix: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)

    def made(*shape: int) -> Any:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": made(30, 8),
        "embeddings.position_embeddings.weight": made(20, 8),
        "embeddings.token_type_embeddings.weight": made(2, 8),
    }
    layer = "encoder.layer.0"
    dense = {f"{layer}.attention.self.{part}": (8, 8) for part in ("query", "key", "value")}
    dense |= {f"{layer}.attention.output.dense": (8, 8), f"{layer}.intermediate.dense": (16, 8)}
    dense |= {f"{layer}.output.dense": (8, 16)}
    for name, (out, into) in dense.items():
        found |= {f"{name}.weight": made(out, into), f"{name}.bias": made(out)}
    for name in ("embeddings", f"{layer}.attention.output", f"{layer}.output"):
        found |= {f"{name}.LayerNorm.weight": made(8), f"{name}.LayerNorm.bias": made(8)}
    return {prefix + name: value for name, value in found.items()}


def vectors(source: bert.Source, ids: list[list[int]]) -> Any:
    session = onnxruntime.InferenceSession(bert.build(source).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"input_ids": np.array(ids, dtype=np.int64)})[0]


@pytest.mark.parametrize(("kind", "prefix"), [("bert", ""), ("bert", "bert."), ("xlm-roberta", "roberta.")])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_graphs_of_the_bert_family(kind: str, prefix: str, pooling: str) -> None:
    """Unit vectors; each token counts, and its place; of what stands beside it in a batch a text knows nothing."""
    source = bert.Source({**SMALL, "model_type": kind}, small_weights(prefix), pooling)
    found = vectors(source, [[3, 4, 5], [3, 4, 6], [3, 5, 4]])
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert abs(found[0] - found[1]).max() > 1e-3
    assert abs(found[0] - found[2]).max() > 1e-3
    assert vectors(source, [[3, 4, 5]])[0] == pytest.approx(found[0], abs=1e-5)


@pytest.mark.parametrize(
    ("config", "pooling", "why"),
    [
        ({"model_type": "t5"}, "mean", "t5"),
        ({"model_type": "bert", "hidden_act": "relu"}, "mean", "relu"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "mean", "positions"),
        ({"model_type": "bert"}, "other", "pooling"),
    ],
)
def test_what_the_graph_cannot_be_made_for_is_said(config: dict[str, Any], pooling: str, why: str) -> None:
    """Rather than made wrong."""
    with pytest.raises(bert.Unsupported, match=why):
        bert.build(bert.Source({**SMALL, **config}, small_weights(""), pooling))
