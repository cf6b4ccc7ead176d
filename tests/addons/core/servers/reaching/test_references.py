"""References: what stands for a value that is elsewhere."""

from __future__ import annotations

import pytest

from switchman.addons.core.servers.reaching.references import NoSources, Secret, is_reference, resolve


class Sources:
    """A file `f` and a key `k`."""

    def file(self, path: str) -> Secret:
        if path != "f":
            raise ValueError(f"{path}: there is no such file")
        return Secret("of-a-file", "others may read it")

    def vault(self, name: str) -> Secret:
        if name != "k":
            raise ValueError(f"no key {name}")
        return Secret("of-the-vault")


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("plain", "plain", []),
        ("environment", "environment", []),
        ("http://u:p@h:1", "http://u:p@h:1", []),
        ("env:NAME", "of-the-environment", []),
        ("env: NAME ", "of-the-environment", []),
        ("file:f", "of-a-file", ["warning: others may read it"]),
        ("vault:k", "of-the-vault", []),
        ("env:NONE", None, ["error: the environment variable NONE is not set, or empty"]),
        ("env:BLANK", None, ["error: the environment variable BLANK is not set, or empty"]),
        ("file:g", None, ["error: g: there is no such file"]),
        ("vault:l", None, ["error: no key l"]),
        ("vault:", None, ["error: vault: is followed by a name"]),
        ("file:", None, ["error: file: is followed by a path"]),
    ],
)
def test_each_kind(text: str, value: str | None, said: list[str]) -> None:
    """The value, or what is wrong."""
    heard: list[str] = []
    env = {"NAME": " of-the-environment ", "BLANK": " "}
    found = resolve(
        text, env, Sources(), lambda fault: heard.append(f"error: {fault}"), lambda one: heard.append(f"warning: {one}")
    )
    assert (found, heard) == (value, said)
    assert is_reference(text) == text.startswith(("env:", "file:", "vault:"))


def test_where_there_is_nothing_to_read_from() -> None:
    """Every file and every key is a fault, and a secret is in no repr."""
    heard: list[str] = []
    for text in ("file:f", "vault:k"):
        assert resolve(text, {}, NoSources(), heard.append, heard.append) is None
    assert heard == ["f cannot be read here", "the vault cannot be read here; k is not known"]
    assert "of-a-file" not in repr(Secret("of-a-file"))


@pytest.mark.parametrize("kind", ["env", "file", "vault"])
def test_a_key_in_the_place_of_a_name(kind: str) -> None:
    """`env:` before the key itself is a fault that does not repeat it."""
    heard: list[str] = []
    secrets = ["sk-proj-Abc123Def456Ghi789", "gsk_0123456789abcdefghij"]
    secrets += ["0123456789abcdef0123456789abcdef", "aB3dE5fG7hI9jK1lM3nO5pQ7"] if kind != "file" else []
    for secret in secrets:
        assert resolve(f"{kind}:{secret}", {}, Sources(), heard.append, heard.append) is None
    assert len(heard) == len(secrets) and not [secret for secret in secrets if secret in "".join(heard)]
