"""The fields of queries and urlencoded forms that decide: each once, and written in one way."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.unambiguous.forms import MAX_FIELDS, check_fields
from switchman.addons.core.request.unambiguous.names import Ambiguous

NAMES = ("model", "stream")


@pytest.mark.parametrize(
    "text",
    [
        "model=a&model=b",
        "model=a&x=1&%6dodel=b",
        "model=a&model",
        "Model=a",
        "model[]=a",
        "model%5B0%5D=a",
        "+model=a",
        "model%00=a",
        "%EF%BD%8Dodel=a",
        "%C5%BFtream=true",
        "stream=true&stream=false",
        "x=1&" * MAX_FIELDS + "model=a",
    ],
)
def test_a_field_that_may_be_read_otherwise_is_refused(text: str) -> None:
    """Two of them, and every disguise; one so far behind that it would not be looked at."""
    with pytest.raises(Ambiguous):
        check_fields(text, NAMES)


@pytest.mark.parametrize(
    "text", ["", "model=a", "%6dodel=a&stream=true", "x=1&x=2&models=b&model_id=c&tags[]=1", "&&", "x=1&" * 900]
)
def test_all_others_may_be_as_they_are(text: str) -> None:
    """An escaped name is the name to every reader."""
    check_fields(text, NAMES)
