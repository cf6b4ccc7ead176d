"""Embeddings, in a process of their own: asked by the proxy over a Unix socket, never run inside it.

wire.py        frames of JSON, as both sides speak them
client.py      the proxy's side: asks with a deadline, None for whatever goes wrong; needs the base install only
process.py     the other side: `python -m switchman.addons.semantics.process`; needs the extra `semantic`
service.py     where the process is, and starting one where nobody else has
engine.py      the one thread that runs the model
embedder.py    text -> vector, by ONNX or by sentence-transformers
categories.py  vectors of the categories' utterances, and how near an ask is to each category
index.py       vectors of the semantic cache's entries, by scope
manifest.py    what a prepared model's folder says of itself
prepare.py     makes such a folder from a sentence-transformers model; needs the extra `semantic-prepare`
torch_export.py   the same for other models, by torch, under any Python that has it
bert.py        the ONNX graph of BERT-like models, straight from their weights

In it: both sides of the semantic process, and what prepares its model.
Door: `SemanticClient`, `open_client`.
May not import: mitmproxy, and all rooms but config, store and core.
"""
