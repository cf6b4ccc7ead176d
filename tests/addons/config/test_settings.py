"""Every variable of FIELD section 1, with its default; what is wrong is refused with a reason."""

import secrets
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.config.secrets.jwt_secrets import secret_weakness
from switchman.addons.config.settings import Settings, zone_of
from switchman.addons.core.access.roles import NO_ROLES

STRONG = "kX9v2-QmT7w_Lr4ZcB8nHs1YdJf6GpUa"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests gets in."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What is said to someone who sets these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def test_defaults_are_those_that_users_know() -> None:
    """The table of FIELD section 1, and the few variables of our own."""
    settings = load_settings()
    assert {name: getattr(settings, name) for name in Settings.model_fields} == {
        "default_upstream": "http://localhost:8000",
        "listen_host": "127.0.0.1",
        "listen_port": 1234,
        "ui_port": 1235,
        "model_map": {},
        "routes_config": "routes.yaml",
        "enable_logging": True,
        "request_timeout": 3000.0,
        "db_path": "requests.db",
        "database_url": None,
        "max_log_age_days": 7,
        "strip_thinking": True,
        "strip_json_markdown": False,
        "disable_thinking": False,
        "full_text": True,
        "baseline_model": None,
        "jwt_secret": None,
        "jwt_public_key": None,
        "jwt_issuer": None,
        "jwt_audience": "switchman-dashboard",
        "jwt_role_claim": "role",
        "auth_header": None,
        "auth_roles": NO_ROLES,
        "viewers_see_bodies": False,
        "audit_days": 365,
        "capture": "full",
        "capture_redact": None,
        "encryption_key": None,
        "egress_deny": "metadata",
        "webui_security": "AUTH_WHEN_PROXIED",
        "blob_storage_type": "filesystem",
        "blob_storage_path": "blob_storage",
        "max_blob_size": 10485760,
        "max_total_storage_size": 1073741824,
        "max_log_size": 10_000_000_000,
        "max_spool_size": 256_000_000,
        "client_auth": None,
        "semantic_model": "semantic_model",
        "semantic_socket": None,
        "trusted_proxies": (),
        "webui_hosts": (),
        "allowed_hosts": (),
        "websocket_paths": (),
        "max_websocket_message": 67_108_864,
        "websocket_idle_timeout": 1800,
        "cors_origins": "local",
        "max_body_values": 500_000,
        "max_body_bytes": 33554432,
        "max_header_bytes": 65536,
        "max_body_memory": 1_073_741_824,
        "body_timeout": 60.0,
        "min_body_rate": 500.0,
        "head_timeout": 30.0,
        "idle_timeout": 600.0,
        "max_connections": 4096,
        "max_connections_per_address": 512,
        "shutdown_grace": 5.0,
        "metrics": True,
        "metrics_names": 100,
        "redis_url": None,
        "budget_timezone": "UTC",
        "alert_webhook": None,
        "alert_webhook_secret": None,
    }
    assert not settings.default_upstream_set


def test_variables_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under their own names, in the forms people write them in."""
    for name, value in {
        "DEFAULT_UPSTREAM": " https://api.groq.com/openai/v1 ",
        "LISTEN_PORT": "8080",
        "MODEL_MAP": '{"gpt-4": "llama3", "/gpt-(.*)/": "llama-\\\\1"}',
        "ENABLE_LOGGING": "False",
        "STRIP_JSON_MARKDOWN": "1",
        "DISABLE_THINKING": "yes",
        "REQUEST_TIMEOUT": "12.5",
        "WEBUI_SECURITY": "always_auth",
        "BLOB_STORAGE_TYPE": "Memory",
        "WEBUI_HOSTS": "dash.example.com, box.lan,",
        "ALLOWED_HOSTS": "llm.example.com, *.chat.example",
        "WEBSOCKET_PATHS": "/ws, /feed/*",
        "MAX_WEBSOCKET_MESSAGE": "1000",
        "CORS_ORIGINS": "local, https://Chat.Example.com/",
        "TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,fd00::/8",
        "JWT_SECRET": STRONG,
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.default_upstream == "https://api.groq.com/openai/v1"
    assert settings.default_upstream_set
    assert settings.listen_port == 8080
    assert settings.model_map == {"gpt-4": "llama3", "/gpt-(.*)/": r"llama-\1"}
    assert (settings.enable_logging, settings.strip_json_markdown, settings.disable_thinking) == (False, True, True)
    assert settings.request_timeout == 12.5
    assert (settings.webui_security, settings.blob_storage_type) == ("ALWAYS_AUTH", "memory")
    assert settings.trusted_proxies == tuple(map(ip_network, ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]))
    assert settings.cors_origins == "local, https://chat.example.com/"
    assert settings.webui_hosts == ("dash.example.com", "box.lan")
    assert settings.allowed_hosts == ("llm.example.com", "*.chat.example")
    assert (settings.websocket_paths, settings.max_websocket_message) == (("/ws", "/feed/*"), 1000)
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == STRONG


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files write `LISTEN_PORT=` for what they do not set."""
    for name in ("LISTEN_PORT", "JWT_SECRET", "MODEL_MAP", "DEFAULT_UPSTREAM"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.listen_port, settings.jwt_secret, settings.model_map) == (1234, None, {})
    assert not settings.default_upstream_set


def test_a_command_lines_values_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides go before the environment, and count as set."""
    monkeypatch.setenv("LISTEN_PORT", "8080")
    settings = load_settings(listen_port=9, default_upstream="http://h")
    assert (settings.listen_port, settings.default_upstream_set) == (9, True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEFAULT_UPSTREAM", "http://http://localhost:8000", "http:// is written twice"),
        ("DEFAULT_UPSTREAM", "localhost:8000", "perhaps http://localhost:8000"),
        ("LISTEN_PORT", "http", "LISTEN_PORT='http'"),
        ("LISTEN_PORT", "70000", "65535"),
        ("REQUEST_TIMEOUT", "-1", "greater than 0"),
        ("REQUEST_TIMEOUT", "inf", "finite"),
        ("ENABLE_LOGGING", "perhaps", "boolean"),
        ("MODEL_MAP", "{gpt-4: x}", "expected JSON"),
        ("MODEL_MAP", "[]", "expected a JSON object"),
        ("MODEL_MAP", '{"a": 1}', "MODEL_MAP['a']"),
        ("MODEL_MAP", '{"a": "x", "a": "y"}', "'a' is there twice"),
        ("MODEL_MAP", '{"/(/": "x"}', "does not compile"),
        ("MODEL_MAP", '{"/x/": "\\\\1"}', "is faulty"),
        ("MODEL_MAP", "[" * 100_000, "MODEL_MAP"),
        ("WEBUI_SECURITY", "off", "'NONE', 'AUTH_WHEN_PROXIED' or 'ALWAYS_AUTH'"),
        ("BLOB_STORAGE_TYPE", "s3", "'filesystem' or 'memory'"),
        ("MAX_BLOB_SIZE", "0", "greater than 0"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "'10.0.0.0/33'"),
    ],
)
def test_a_bad_value_is_named_and_explained(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    """The variable's own name, and what was expected."""
    said = refusal(monkeypatch, **{name: value})
    assert said.startswith(name)
    assert words in said


def test_all_bad_variables_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each."""
    said = refusal(monkeypatch, LISTEN_PORT="x", UI_PORT="y", JWT_SECRET="z")
    assert [line.split("=")[0].split(":")[0] for line in said.splitlines()] == ["LISTEN_PORT", "UI_PORT", "JWT_SECRET"]


@pytest.mark.parametrize(
    "secret",
    [
        "hunter2",
        "a" * 64,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "hunter2hunter2hunter2hunter2hunter2",
        "0123456789" * 4,
        "00000000000000000000000000000000hunter2",
        "please-changeme-kX9v2QmT7wLr4ZcB8nHs1",
        "your-secret-key-that-is-quite-long-indeed",
        "aabbaabbabababbbaaabbabababaabbbabab",
    ],
)
def test_a_weak_secret_refuses_the_start(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """Too short, repeated, in sequence, of few characters or a placeholder: with advice, and without repeating it."""
    said = refusal(monkeypatch, JWT_SECRET=secret)
    assert "start is refused" in said
    assert "token_urlsafe" in said
    assert secret not in said


@pytest.mark.parametrize("make", [secrets.token_hex, secrets.token_urlsafe])
def test_a_random_secret_will_do(make: object) -> None:
    """What `openssl rand -hex 16` and the advice print is good enough, whichever comes out."""
    assert callable(make)
    assert all(secret_weakness(make(size)) is None for size in (24, 32, 48) for _ in range(15))


@given(st.text(max_size=31))
def test_a_short_secret_never_will(secret: str) -> None:
    """Under 32 characters nothing is accepted."""
    assert secret_weakness(secret) is not None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5000000", 5_000_000), ("10GB", 10**10), ("1.5 gb", 1_500_000_000), ("512MiB", 2**29), ("2T", 2 * 10**12),
        ("4000000b", 4_000_000),
    ],
)  # fmt: skip
def test_a_size_may_have_a_unit(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    """Thousands, or with an i 1024."""
    monkeypatch.setenv("MAX_LOG_SIZE", text)
    assert load_settings().max_log_size == size


@pytest.mark.parametrize("text", ["much", "-1", "10XB", "1e9", "5 GB GB"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """With the reason."""
    assert f"MAX_LOG_SIZE='{text}'" in refusal(monkeypatch, MAX_LOG_SIZE=text)


def test_secrets_stay_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in repr or str of the settings, nor in a refusal: a database URL and an upstream's may hold passwords too."""
    monkeypatch.setenv("JWT_SECRET", STRONG)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@db/x")
    settings = load_settings()
    assert STRONG not in repr(settings) + str(settings)
    assert "hunter2" not in repr(settings) + str(settings)
    assert "hunter2" not in refusal(monkeypatch, DEFAULT_UPSTREAM="http://me:hunter2@h")


def test_settings_do_not_change() -> None:
    """Frozen: what was read at the start is what holds."""
    with pytest.raises(ValueError, match="frozen"):
        load_settings().listen_port = 1


NUMBERS = [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e400", "1" + "0" * 30, "-1" + "0" * 30, "1e30", "9" * 5000, "0x10", "٣", ""]
)
@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_bounds(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """What is no number, or has no end, is refused by its name; nothing at all is the default."""
    monkeypatch.setenv(name.upper(), text)
    if not text:
        assert getattr(load_settings(), name) == Settings.model_fields[name].default
        return
    try:
        found = getattr(load_settings(), name)
    except SettingsError as error:
        assert str(error).startswith(f"{name.upper()}=")
    else:
        assert text == "٣" and found == 3


def test_settings_have_numbers() -> None:
    """The test above runs on them."""
    assert {"request_timeout", "max_body_bytes", "listen_port", "max_log_age_days"} <= set(NUMBERS)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REDIS_URL", "http://user:hunter2hunter2@host", "redis://HOST:PORT/0"),
        *(
            ("REDIS_URL", f"redis://{rest}", "%23")
            for rest in (":hunter2/ss@h/0", ":hunter2#ss@h", ":hunter2?x@h", ":1/hunter2@h", "[h:hunter2", "h:99999")
        ),
        ("BUDGET_TIMEZONE", "Mars/Olympus", "no time zone"),
        ("BUDGET_TIMEZONE", "../../etc/passwd", "no time zone"),
        ("ALERT_WEBHOOK", "hunter2hunter2", "begins with https://"),
        ("ALERT_WEBHOOK_SECRET", "hunter2", "at least 16"),
    ],
)
def test_settings_of_limits_that_cannot_be(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is said, without a secret."""
    told = refusal(monkeypatch, **{name: value})
    assert name in told and expected in told and "hunter2" not in told


def test_time_zones_of_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """UTC needs no database of zones."""
    assert str(zone_of("UTC")) == "UTC" == str(zone_of("utc"))
    assert str(zone_of("Europe/Berlin")) == "Europe/Berlin"
