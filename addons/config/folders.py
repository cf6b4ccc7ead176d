"""Checks that the log can be written where the settings say, before anything starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from switchman.addons.config.configuration import SettingsError
from switchman.addons.config.settings import Settings

ADVICE = "set it (or `serve --data-dir`) to a place that can be written; ENABLE_LOGGING=false does without a log"


def has_database(settings: Settings) -> bool:
    """Whether there is a database: for the log, or without one for the tokens."""
    return settings.enable_logging or settings.wants_tokens


def check_folders(settings: Settings) -> None:
    """Make the folder of the bodies. Raises SettingsError with one sentence for each place that cannot be used."""
    problems = []
    if has_database(settings) and settings.database_url is None and settings.db_path != ":memory:":
        problems.append(_problem("DB_PATH", settings.db_path, _why_no_file(Path(settings.db_path).absolute())))
    if settings.enable_logging and settings.blob_storage_type == "filesystem":
        path = settings.blob_storage_path
        problems.append(_problem("BLOB_STORAGE_PATH", path, _why_no_folder(Path(path).absolute())))
    if found := [problem for problem in problems if problem is not None]:
        raise SettingsError(found)


def _problem(variable: str, value: str, why: str | None) -> str | None:
    return None if why is None else f"{variable}={value!r}: nothing can be kept there: {why}; {ADVICE}"


def _why_no_file(path: Path) -> str | None:
    """SQLite makes further files beside its own."""
    if path.is_dir():
        return "that is a folder"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return f"{path} may not be read and written"
    return _why_not_writable(path.parent)


def _why_no_folder(path: Path) -> str | None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return _why_not_writable(path)


def _why_not_writable(folder: Path) -> str | None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder}: {error.strerror}"
