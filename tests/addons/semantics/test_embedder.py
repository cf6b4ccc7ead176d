"""Texts to vectors, by the real model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from switchman.addons.semantics.embedder import MAX_TOKENS, head_and_tail, languages_of, open_embedder, pinned
from switchman.addons.semantics.manifest import MODEL, NotPrepared

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


@pytest.mark.parametrize(("count", "most"), [(0, 4), (4, 4), (5, 4), (9, 4), (9, 5), (9, 1)])
def test_a_text_that_is_cut_has_the_most_it_may(count: int, most: int) -> None:
    """Its first token and its last stay, which are the special ones."""
    ids = list(range(count))
    cut = head_and_tail(ids, most)
    assert len(cut) == min(count, most)
    assert cut[:1] == ids[:1]
    if most > 1:
        assert cut[-1:] == ids[-1:]


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        (b"---\nlanguage: en\n---\n# Model", ("en",)),
        (b"---\nlanguage: [de, pt-BR]\n---\n", ("de", "pt")),
        (b"---\nlanguage: [en, multilingual]\n---\n", ()),
        (b"---\nlanguage: 7\n---\n", ()),
        (b"---\nlicense: mit\n---\n", ()),
        (b"---\n- a list\n---\n", ()),
        (b"---\n{ broken\n---\n", ()),
        (b"# No head\nlanguage: en", ()),
        (b"---\nlanguage: en # caf\xe9\n---\n", ()),
        (None, ()),
    ],
)
def test_the_languages_of_a_model_card(card: bytes | None, languages: tuple[str, ...], tmp_path: Path) -> None:
    """What it does not say plainly is not guessed: () is any language."""
    if card is not None:
        (tmp_path / "README.md").write_bytes(card)
    assert languages_of(tmp_path) == languages


def test_a_folder_that_was_not_prepared_is_refused(tmp_path: Path) -> None:
    """Before anything heavy is loaded."""
    with pytest.raises(NotPrepared, match="switchman semantic prepare"):
        open_embedder("onnx", str(tmp_path))


def test_a_model_of_the_hub_has_a_commit() -> None:
    """Written behind its name, or known; a name alone is refused before anything is imported or asked for."""
    assert pinned(f"a/b@{'0' * 40}") == ("a/b", "0" * 40)
    assert pinned("all-MiniLM-L6-v2")[1].startswith("c9745ed1")
    for name in ("a/b", "a/b@main", f"a/b@{'g' * 40}"):
        with pytest.raises(ValueError, match="taken by its commit"):
            pinned(name)
