"""What a prepared folder says of itself."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from switchman.addons.semantics.embedder import languages_of
from switchman.addons.semantics.manifest import FORMAT, MANIFEST, Manifest, NotPrepared


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


GIVEN = Manifest("minilm", 384, ("en", "de"), 128, "ab12", 0.987)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """By the next start."""
    GIVEN.write(tmp_path)
    assert Manifest.of(tmp_path) == GIVEN


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[1]", "cannot be read"),
        (b'{"languages": 3}', "cannot be read"),
        (b"{}", "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_says_what_to_do(content: bytes, why: str, tmp_path: Path) -> None:
    """One kind of error, that names the file and the command."""
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(NotPrepared, match=why) as caught:
        Manifest.of(tmp_path)
    assert f"--output {tmp_path}" in str(caught.value)


def test_a_folder_of_another_format_is_not_run(tmp_path: Path) -> None:
    """A later version may store the model in another way."""
    dataclasses.replace(GIVEN, format=FORMAT + 1).write(tmp_path)
    with pytest.raises(NotPrepared, match="another version"):
        Manifest.of(tmp_path)


def test_a_manifest_of_a_later_version_with_more_in_it_is_refused(tmp_path: Path) -> None:
    """Rather than half understood."""
    (tmp_path / MANIFEST).write_text(json.dumps({**dataclasses.asdict(GIVEN), "prefix": "query: "}))
    with pytest.raises(NotPrepared, match="prefix"):
        Manifest.of(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": 0}, {"dimensions": 10**9}, {"dimensions": "384"}, {"dimensions": True}, {"dimensions": 384.0},
        {"max_tokens": -1}, {"max_tokens": 10**30}, {"agreement": float("nan")}, {"agreement": "x"},
        {"agreement": 1e400}, {"model": 3}, {"model": "x" * 501}, {"digest": None}, {"languages": [1]},
        {"languages": ["en"] * 1001},
    ],
)  # fmt: skip
def test_figures_that_no_model_has_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    """They decide how much memory is taken."""
    written = dataclasses.asdict(Manifest("m", 384, ("en",), 128, "d", 1.0)) | change
    (tmp_path / MANIFEST).write_text(json.dumps(written))
    with pytest.raises(NotPrepared, match="cannot be read"):
        Manifest.of(tmp_path)
