"""The ONNX graph of a BERT-like sentence model, made straight from its weights: no torch needed.

    build(source) -> onnx.ModelProto     input_ids [batch, length] -> embedding [batch, dimensions]

Pooling and normalisation are part of the graph; batch and length are free. Texts come one at a time, so nothing is
padded and there is no mask, which would cost some 2 %. Knows the encoders of BERT, RoBERTa and
XLM-RoBERTa, as sentence-transformers stores them, pooled by mean or by the first token. The layout is that of
"Attention Is All You Need" (post-norm), with the weights' names as the Hugging Face checkpoints have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 17  # the first with LayerNormalization
IR_VERSION: Final = 8  # what runtimes of opset 17's time read
RUNTIME: Final = "com.microsoft"  # onnxruntime's own operations; its attention is 2 x faster than one of many nodes
KNOWN_TYPES: Final = frozenset({"bert", "roberta", "xlm-roberta"})

Weights = Mapping[str, NDArray[np.float32]]


class Unsupported(Exception):
    """The graph of this model is not known here; torch has to export it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model's configuration (config.json), its weights by name, and how its tokens become one vector."""

    config: Mapping[str, Any]
    weights: Weights
    pooling: str  # "mean" or "cls"

    def check(self) -> None:
        """Raises Unsupported."""
        config = self.config
        if config.get("model_type") not in KNOWN_TYPES:
            raise Unsupported(f"model type {config.get('model_type')!r}")
        if config.get("hidden_act") != "gelu":
            raise Unsupported(f"activation {config.get('hidden_act')!r}")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise Unsupported("relative positions")
        if self.pooling not in ("mean", "cls"):
            raise Unsupported(f"pooling {self.pooling!r}")


@dataclass(slots=True)
class _Graph:
    """Nodes and constants while the graph grows. Methods return the name of what they made."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def put(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: Any, kind: type[np.generic] = np.float32) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, dtype=kind), name)
        return name


def build(source: Source) -> onnx.ModelProto:
    """Raises Unsupported for a model that is none of those above."""
    source.check()
    graph = _Graph()
    try:
        hidden = _embed(graph, source)
        hidden = _encode(graph, source, hidden)
    except KeyError as missing:
        raise Unsupported(f"there are no weights named {missing}") from missing
    _pool(graph, hidden, source.pooling)
    size = int(source.config["hidden_size"])
    tokens: list[int | str] = ["batch", "length"]
    proto = helper.make_graph(
        graph.nodes,
        "sentence",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, tokens)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", size])],
        list(graph.constants.values()),
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)],
        producer_name="switchman",
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def _weight(source: Source, name: str) -> NDArray[np.float32]:
    for prefix in ("", "bert.", "roberta."):
        if (found := source.weights.get(prefix + name)) is not None:
            return found
    raise KeyError(name)


def _embed(graph: _Graph, source: Source) -> str:
    words = graph.constant("words", _weight(source, "embeddings.word_embeddings.weight"))
    places = _weight(source, "embeddings.position_embeddings.weight")
    if source.config["model_type"] != "bert":  # RoBERTa counts its places from behind the padding token's
        places = places[int(source.config["pad_token_id"]) + 1 :]
    # Every token is of the first type, so that type's vector is part of every place's.
    kind = _weight(source, "embeddings.token_type_embeddings.weight")[0]
    table = graph.constant("places", places + kind)
    length = graph.put("Gather", graph.put("Shape", "input_ids"), graph.constant("one", [1], np.int64))
    zero = graph.constant("zero", [0], np.int64)
    here = graph.put("Slice", table, zero, length, zero)
    both = graph.put("Add", graph.put("Gather", words, "input_ids"), here)
    return _norm(graph, source, both, "embeddings.LayerNorm")


def _encode(graph: _Graph, source: Source, hidden: str) -> str:
    for number in range(int(source.config["num_hidden_layers"])):
        layer = f"encoder.layer.{number}"
        seen = _attend(graph, source, hidden, f"{layer}.attention")
        seen = _dense(graph, source, seen, f"{layer}.attention.output.dense")
        hidden = _norm(graph, source, graph.put("Add", seen, hidden), f"{layer}.attention.output.LayerNorm")
        # By tanh instead of erf, as it is faster: the vectors are the same to four places.
        wide = graph.put("FastGelu", _dense(graph, source, hidden, f"{layer}.intermediate.dense"), domain=RUNTIME)
        narrow = _dense(graph, source, wide, f"{layer}.output.dense")
        hidden = _norm(graph, source, graph.put("Add", narrow, hidden), f"{layer}.output.LayerNorm")
    return hidden


def _attend(graph: _Graph, source: Source, hidden: str, name: str) -> str:
    parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
    weight = np.concatenate([_weight(source, f"{part}.weight").T for part in parts], axis=1)
    bias = np.concatenate([_weight(source, f"{part}.bias") for part in parts])
    return graph.put(
        "Attention",
        hidden,
        graph.constant(f"{name}.weight", weight),
        graph.constant(f"{name}.bias", bias),
        num_heads=int(source.config["num_attention_heads"]),
        domain=RUNTIME,
    )


def _dense(graph: _Graph, source: Source, hidden: str, name: str) -> str:
    weight = graph.constant(f"{name}.weight", np.ascontiguousarray(_weight(source, f"{name}.weight").T))
    return graph.put("Add", graph.put("MatMul", hidden, weight), _bias(graph, source, name))


def _bias(graph: _Graph, source: Source, name: str) -> str:
    return graph.constant(f"{name}.bias", _weight(source, f"{name}.bias"))


def _norm(graph: _Graph, source: Source, hidden: str, name: str) -> str:
    weight = graph.constant(f"{name}.weight", _weight(source, f"{name}.weight"))
    epsilon = float(source.config["layer_norm_eps"])
    return graph.put("LayerNormalization", hidden, weight, _bias(graph, source, name), axis=-1, epsilon=epsilon)


def _pool(graph: _Graph, hidden: str, pooling: str) -> None:
    """Unit vectors. Their length comes from the sum alone: dividing by the number of tokens would not change it."""
    one = graph.constant("one", [1], np.int64)
    if pooling == "mean":
        vector = graph.put("ReduceSum", hidden, one, keepdims=0)
    else:
        vector = graph.put("Gather", hidden, graph.constant("first", 0, np.int64), axis=1)
    length = graph.put("ReduceL2", vector, axes=[1], keepdims=1)
    length = graph.put("Max", length, graph.constant("tiny", 1e-12))
    graph.nodes.append(helper.make_node("Div", [vector, length], ["embedding"], name="embedding"))
