"""Files that browsers may keep for ever, because their address changes with their content.

Our own files live under /static/<digest of all of them>/, so relative imports between modules stay within one
version. Plotly's JavaScript comes out of the installed `plotly` package, under its version.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, send_file

from switchman.addons.core.access.roles import Role
from switchman.webui.access.roles import least

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"

blueprint = Blueprint("assets", __name__, url_prefix="/assets")


def static_digest() -> str:
    """A short digest of every file under static/, names and contents."""
    digest = sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def plotly_version() -> str:
    """The installed package's version, e.g. "6.1.0"."""
    return version("plotly")


@cache
def plotly_path() -> Path:
    """plotly.min.js in the installed package, which need not be imported for it. FileNotFoundError without it."""
    spec = find_spec("plotly")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    raise FileNotFoundError("plotly.min.js is not in the installed plotly package: reinstall plotly")


@blueprint.get("/plotly-<wanted>.min.js")
@least(Role.VIEWER)
def plotly_js(wanted: str) -> Response:
    """Plotly's JavaScript. Another version's address gets this one too, but is not to be kept."""
    answer = send_file(plotly_path(), mimetype="text/javascript", conditional=True)
    answer.headers["Cache-Control"] = FOR_EVER if wanted == plotly_version() else "no-cache"
    return answer
