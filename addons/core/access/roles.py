"""What people may on the dashboard: three roles, each of which may all that the one before it may.

viewer     reads lists, figures and stories; bodies only where VIEWERS_SEE_BODIES says so
operator   reads all, and changes how requests are routed
admin      manages tokens, keys and who did what
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

EVERYBODY = "*"


class Role(IntEnum):
    """In the order of what they may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written in settings, claims and pages."""
        return self.name.lower()


WORDS = {role.word: role for role in Role}


def parse_role(text: str) -> Role:
    """The role of this name. Raises ValueError that lists them."""
    try:
        return WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{text.strip()[:40]!r} is no role: expected {', '.join(WORDS)}") from None


def highest(values: Iterable[object]) -> Role | None:
    """The highest role that is named among `values`; None for none. Other words of a provider's list are left alone."""
    return max((WORDS[value] for value in values if isinstance(value, str) and value in WORDS), default=None)


def claimed(claims: Mapping[str, Any], path: str) -> tuple[object, ...]:
    """The values of a claim: of this very name (it may have dots), else by its path, `realm_access.roles`."""
    value: object = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@dataclass(frozen=True, slots=True)
class RoleMap:
    """Who has which role by name, in any capitals; `everybody` is that of all others, None: none."""

    names: Mapping[str, Role] = field(default_factory=dict)
    everybody: Role | None = None

    @classmethod
    def parse(cls, text: str) -> RoleMap:
        """`alice=admin, bob@example.com=operator, *=viewer`. Raises ValueError that names the entry."""
        names: dict[str, Role] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, sign, word = (part.strip() for part in entry.rpartition("="))
            if not sign or not name:
                raise ValueError(f"{entry[:80]!r}: expected NAME=ROLE, such as alice=admin or *=viewer")
            if name.casefold() in names:
                raise ValueError(f"{name[:80]!r} is there twice")
            names[name.casefold()] = parse_role(word)
        everybody = names.pop(EVERYBODY, None)
        return cls(names, everybody)

    def of(self, name: str) -> Role | None:
        """The role of whoever is called so."""
        return self.names.get(name.casefold(), self.everybody)

    def __str__(self) -> str:
        whole = dict(self.names) | ({EVERYBODY: self.everybody} if self.everybody is not None else {})
        return ",".join(f"{name}={role.word}" for name, role in whole.items())

    def __bool__(self) -> bool:
        return bool(self.names) or self.everybody is not None


NO_ROLES = RoleMap()
