"""What a prepared folder says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.semantics.embedder import languages_of
from switchman.addons.semantics.manifest import Manifest, NotPrepared


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
