"""The settings of who may sign in to the dashboard, as what; a part of Settings.

JWT_SECRET, whose tokens `switchman token` makes, is in settings.py.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from switchman.addons.config.secrets.jwt_keys import DASHBOARD, pem_of
from switchman.addons.core.access.roles import NO_ROLES, RoleMap

_FIELD_NAME = re.compile(
    r"[a-z0-9!#$%&'*+.^`|~-]+"
)  # RFC 9110 section 5.1, without `_`, which some servers read as `-`
# What every client or proxy sends, and is no name of a person.
_NO_NAMES = frozenset(
    {"authorization", "cookie", "host", "origin", "connection", "content-type", "content-length", "user-agent"}
    | {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via", "accept"}
)


class SigningIn(BaseSettings):
    """Who signs tokens besides us, and who is named by a proxy."""

    jwt_public_key: str | None = Field(None, description="whose tokens open the dashboard too: PEM, or its file")
    jwt_issuer: str | None = Field(None, description="the `iss` that tokens of JWT_PUBLIC_KEY must have")
    jwt_audience: str = Field(DASHBOARD, min_length=1, description="the `aud` that tokens of JWT_PUBLIC_KEY must have")
    jwt_role_claim: str = Field("role", min_length=1, description="where tokens of JWT_PUBLIC_KEY say the role")
    auth_header: str | None = Field(None, description="header by which a trusted proxy names who is signed in")
    auth_roles: Annotated[RoleMap, NoDecode] = Field(NO_ROLES, description="their roles: alice=admin,*=viewer")
    viewers_see_bodies: bool = Field(False, description="whether viewers may read prompts and answers")
    audit_days: int = Field(365, ge=1, le=36_500, description="days that changes by people are kept")

    @property
    def has_tokens(self) -> bool:
        """Whether there are tokens of the dashboard that a client might send to the proxy."""
        return getattr(self, "jwt_secret", None) is not None or self.jwt_public_key is not None

    @field_validator("jwt_public_key")
    @classmethod
    def _is_public_key(cls, text: str | None) -> str | None:
        return None if text is None else pem_of(text)

    @field_validator("auth_header")
    @classmethod
    def _is_field_name(cls, text: str | None) -> str | None:
        if text is None:
            return None
        name = text.lower()
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError("expected the name of a header, such as x-forwarded-user")
        if name in _NO_NAMES:
            raise ValueError("every client or proxy sends this one: expected a header such as x-forwarded-user")
        return name

    @field_validator("auth_roles", mode="before")
    @classmethod
    def _read_roles(cls, given: Any) -> Any:
        return RoleMap.parse(given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.auth_header and not getattr(self, "trusted_proxies", ()):
            raise ValueError(
                "AUTH_HEADER is believed only from TRUSTED_PROXIES, and that is not set: name the proxy's address"
            )
        if self.auth_header and not self.auth_roles:
            raise ValueError(
                "AUTH_HEADER without AUTH_ROLES lets nobody in: set it, such as AUTH_ROLES=alice=admin,*=viewer"
            )
        if self.auth_roles and not self.auth_header:
            raise ValueError("AUTH_ROLES says who may what by AUTH_HEADER, and that is not set")
        return self
