"""What is in force, and where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.inforce import ORIGINS, SET, InForce, in_force, noted, rules_file
from switchman.addons.core.texts.redaction.atrest import kinds_of

SECRET = "xK9#mQ2$vL5@nR8!pW3^tY6&zB1*cF4("
SECRETS = {
    "JWT_SECRET": SECRET,
    "ENCRYPTION_KEY": "5f0c2a7e9b1d4836a8c0e2f41d3b5a79688f0e1c2d3a4b5c6d7e8f9001122334",
    "DATABASE_URL": f"postgresql://switchman:{SECRET[:9]}@db/log",
    "REDIS_URL": "redis://:hunter22@cache/0",
    "ALERT_WEBHOOK": "https://hooks.example.org/T0/B0/wordless",
    "ALERT_WEBHOOK_SECRET": "a-long-word-to-sign-with",
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch):
    """What is in force where the environment is this one, and `options` set these."""

    def tell(
        environment: dict[str, str], options: dict[str, str] | None = None, note: bool = True
    ) -> dict[str, InForce]:
        before = dict(environment)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if note:
            monkeypatch.setenv(ORIGINS, noted(before, options or {}))
            before[ORIGINS] = noted(before, options or {})
        return {one.name: one for one in in_force(load_settings(), before)}

    return tell


def test_each_setting_says_where_it_came_from(told) -> None:
    """The environment, an option, nobody; and what the router has set for its own processes."""
    environment = {"LISTEN_PORT": "4000", "CAPTURE": "redacted", "SEMANTIC_SOCKET": "off"}
    found = told(environment, {"LISTEN_PORT": "--port"})
    assert (found["LISTEN_PORT"].value, found["LISTEN_PORT"].origin, found["LISTEN_PORT"].option) == (
        ("4000", "option", "--port")
    )
    assert (found["CAPTURE"].value, found["CAPTURE"].default, found["CAPTURE"].origin) == (
        ("redacted", "full", "environment")
    )
    assert (found["UI_PORT"].value, found["UI_PORT"].origin) == ("1235", "default")


def test_what_nobody_has_given_the_router_has_set(told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes get the socket of the semantic process by environment."""
    monkeypatch.setenv("SEMANTIC_SOCKET", "/run/switchman.sock")
    assert told({"UI_PORT": "9"})["SEMANTIC_SOCKET"].origin == "router"
    assert told({"UI_PORT": "9"})["UI_PORT"].origin == "environment"


def test_where_nobody_has_noted_it_the_environment_is_told(told) -> None:
    """As under mitmdump -s."""
    assert told({"STRIP_THINKING": "false"}, note=False)["STRIP_THINKING"].origin == "environment"


def test_no_secret_is_told(told) -> None:
    found = told(SECRETS)
    shown = " ".join(f"{one.value} {one.default}" for one in found.values())
    assert {found[name].value for name in SECRETS} == {SET}
    assert not [secret for secret in (*SECRETS.values(), SECRET[:9], "hunter22", "wordless") if secret in shown]


def test_values_are_written_as_people_write_them(told) -> None:
    given = {
        "TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1", "MODEL_MAP": '{"gpt-4": "llama3"}', "STRIP_THINKING": "no",
        "AUTH_HEADER": "x-user", "AUTH_ROLES": "alice=admin,*=viewer", "CAPTURE_REDACT": "phone",
    }  # fmt: skip
    found = told(given)
    assert found["MODEL_MAP"].value == '{"gpt-4": "llama3"}'
    assert found["STRIP_THINKING"].value == "false" and found["STRIP_THINKING"].default == "true"
    assert found["AUTH_ROLES"].value == "alice=admin, *=viewer"
    assert found["CAPTURE_REDACT"].value.split(", ") == sorted(kinds_of(["phone"]))
    assert found["TRUSTED_PROXIES"].value.startswith("10.0.0.0/8")


def test_the_top_of_the_rules_file(tmp_path: Path) -> None:
    """Each key with its line; what is in it is counted, as it may hold a key."""
    file = tmp_path / "routes.yaml"
    file.write_text("# ours\nservers:\n  a: {url: http://a, api_key: sk-secret}\n\nroutes: []\nprivate: yes\n")
    found = rules_file(load_settings(routes_config=str(file)))
    assert [(one.name, one.value, one.line) for one in found][:2] == [
        ("servers", "1 entry", 2),
        ("routes", "0 entries", 5),
    ]
    assert "sk-secret" not in repr(found)


@pytest.mark.parametrize("content", [None, "servers: [", "- a\n"], ids=["none", "broken", "list"])
def test_a_file_that_cannot_be_read_tells_nothing(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "routes.yaml"
    if content is not None:
        file.write_text(content)
    assert rules_file(load_settings(routes_config=str(file))) == ()
