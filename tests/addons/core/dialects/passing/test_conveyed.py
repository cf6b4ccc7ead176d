"""How the body of an attempt is written down, and made again."""

from __future__ import annotations

import json

from switchman.addons.core.dialects.passing.conveyed import DIGITS, digest_of, read, written
from switchman.addons.core.request.jsonedit import REMOVE, edit


def test_edits_survive_being_written_down() -> None:
    """As JSON and back: a value, a nested one, an index, and what was taken out."""
    edits = {("model",): "b", ("a", "b"): {"c": [1, None]}, ("messages", 0, "role"): "system", ("think",): REMOVE}
    stored = json.loads(json.dumps(written(edits)))
    assert read(stored) == edits
    assert stored[3] == [["think"]] and stored[1] == [["a", "b"], {"c": [1, None]}]


def test_the_body_is_made_again_to_the_byte() -> None:
    """The client's text with the edits that were read is what went out."""
    text = '{"model" :"a",  "messages":[{"role":"developer"}], "think": true}'
    edits = {("model",): "b", ("messages", 0, "role"): "system", ("think",): REMOVE}
    assert edit(text, read(json.loads(json.dumps(written(edits))))) == edit(text, edits)


def test_null_is_a_value() -> None:
    """And not what was taken out."""
    assert read(json.loads(json.dumps(written({("stop",): None})))) == {("stop",): None}


def test_a_digest_fits_its_column() -> None:
    """And tells two bodies apart."""
    assert len(digest_of(b"a")) == DIGITS == 32 and digest_of(b"a") != digest_of(b"b")
