"""The settings of who may sign in."""

from __future__ import annotations

import pytest

from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.core.access.roles import Role

PROXY = {"trusted_proxies": "10.0.0.1", "auth_header": "X-Forwarded-User", "auth_roles": "alice=admin,*=viewer"}


def test_a_proxy_that_names_people() -> None:
    """The header's name counts in any capitals."""
    settings = load_settings(**PROXY)
    assert settings.auth_header == "x-forwarded-user"
    assert (settings.auth_roles.of("alice"), settings.auth_roles.of("bob")) == (Role.ADMIN, Role.VIEWER)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"trusted_proxies": ""}, "AUTH_HEADER is believed only from TRUSTED_PROXIES"),
        ({"auth_roles": ""}, "AUTH_HEADER without AUTH_ROLES lets nobody in"),
        ({"auth_header": None}, "AUTH_ROLES says who may what by AUTH_HEADER"),
        ({"auth_header": "x_forwarded_user"}, "AUTH_HEADER='x_forwarded_user': expected the name of a header"),
        ({"auth_header": "x user"}, "expected the name of a header"),
        ({"auth_header": "X-Forwarded-For"}, "every client or proxy sends this one"),
        ({"auth_header": "Authorization"}, "every client or proxy sends this one"),
        ({"auth_roles": "alice=root"}, "AUTH_ROLES='alice=root': 'root' is no role"),
        ({"audit_days": "0"}, "AUDIT_DAYS='0'"),
    ],
)
def test_what_would_let_nobody_or_anybody_in_stops_the_start(changes: dict[str, str], why: str) -> None:
    """Each with the setting's name and what to do."""
    with pytest.raises(SettingsError) as refused:
        load_settings(**PROXY | changes)
    assert why in str(refused.value)


def test_a_public_key_that_is_none_is_not_repeated() -> None:
    """It may be a secret in the wrong place."""
    with pytest.raises(SettingsError, match="JWT_PUBLIC_KEY: expected a public key in PEM") as refused:
        load_settings(jwt_public_key="hunter2-hunter2")
    assert "hunter2" not in str(refused.value)


def test_without_any_of_it_nothing_is_different() -> None:
    """No other signs, nobody is named, viewers see no bodies, changes are kept for a year."""
    settings = load_settings()
    assert (settings.jwt_public_key, settings.auth_header, bool(settings.auth_roles)) == (None, None, False)
    assert (settings.viewers_see_bodies, settings.audit_days, settings.has_tokens) == (False, 365, False)
    assert load_settings(jwt_secret="kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx").has_tokens
