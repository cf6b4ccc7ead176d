"""The graphs of small models of every kind that is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from switchman.addons.semantics import bert

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


def test_a_weight_that_is_missing_is_named() -> None:
    """Torch may know the model under other names."""
    weights = small_weights("")
    del weights["encoder.layer.0.output.dense.bias"]
    with pytest.raises(bert.Unsupported, match=r"encoder\.layer\.0\.output\.dense\.bias"):
        bert.build(bert.Source({**SMALL, "model_type": "bert"}, weights, "mean"))


def test_robertas_places_begin_behind_the_padding_token() -> None:
    """The first token of a text has the place `pad_token_id` + 1; BERT's has the place 0."""
    weights = small_weights("")
    shifted = dict(weights)
    places = "embeddings.position_embeddings.weight"
    shifted[places] = np.concatenate([np.full((2, 8), 9, dtype=np.float32), weights[places]])
    plain = vectors(bert.Source({**SMALL, "model_type": "bert"}, weights, "mean"), [[3, 4, 5]])
    other = vectors(bert.Source({**SMALL, "model_type": "roberta", "pad_token_id": 1}, shifted, "mean"), [[3, 4, 5]])
    assert other == pytest.approx(plain, abs=1e-6)


def test_a_layer_more_is_another_vector() -> None:
    """Each layer's weights are used, in their order."""
    one = small_weights("")
    second = {n.replace("layer.0", "layer.1"): w * 0.5 for n, w in one.items() if "layer.0" in n}
    two = one | second
    config = {**SMALL, "model_type": "bert"}
    both = vectors(bert.Source({**config, "num_hidden_layers": 2}, two, "cls"), [[3, 4]])
    assert abs(both - vectors(bert.Source(config, two, "cls"), [[3, 4]])).max() > 1e-3
