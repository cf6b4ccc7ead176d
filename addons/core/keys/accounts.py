"""What of a request is kept by one account of a provider, and unknown to its others: which key it has to go with.

Files, vector stores, prompts and conversations are made by requests that are no operation of a model, and those go with
a server's first key. An earlier response (`previous_response_id`) was made by an operation, with whichever key it had:
who asks has to remember that by its id. OpenAI's and Anthropic's API references.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Within a text of JSON these cannot be found, as its quotes are escaped there.
_NAMES: Final = ('"file_id"', '"file_ids"', '"vector_store_ids"')
_LONGEST: Final = 200  # characters of an id; OpenAI's have some 60


def of_first_key(body: Mapping[str, Any], text: str) -> bool:
    """Whether a request names what was made with the first key. `text`: the body as it is written."""
    made = bool(body.get("conversation")) or isinstance(body.get("prompt"), dict)
    return made or any(name in text for name in _NAMES)


def earlier_response(body: Mapping[str, Any]) -> str | None:
    """The id of the response that a request goes on from."""
    found = body.get("previous_response_id")
    return found if isinstance(found, str) and 0 < len(found) <= _LONGEST else None
