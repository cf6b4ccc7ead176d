"""Which secrets sign the dashboard's tokens, and which stop the start."""

from __future__ import annotations

import base64
import secrets
import time
import uuid

import pytest

from switchman.addons.config.secrets.jwt_secrets import secret_weakness

REPEATED = [
    "supersecretkeysupersecretkeysupersecretkey",
    "hunter2hunter2hunter2hunter2hunter2",
    "SECRETKEYSECRETKEYSECRETKEYSECRETKEY",
    "Xk9$Xk9$Xk9$Xk9$Xk9$Xk9$Xk9$Xk9$Xk9$a",
    "abcabcabcabcabcabcabcabcabcabcabcabcabc1",
    "P@ssw0rdP@ssw0rd123!P@ssw0rd456?abc",
    "deadbeefcafebabedeadbeefcafebabe",
    "a" * 64,
    "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd",
]
SENTENCES = [
    "this is my very secret key for the dashboard",
    "das ist mein geheimer schluessel fuer den router",
    "la clave secreta de mi servidor es esta",
    "dette er min hemmelige noekkel til serveren",
    "correct horse battery staple correct",
    "thequickbrownfoxjumpsoverthelazydog",
    "MyVeryLongSecretKeyThatNobodyWillGuess!",
    "ILoveMyCatAndMyDogAndMyHouse1987",
    "loremipsumdolorsitametconsecteturadipiscing",
    "monkeydragonfootballbaseballmastershadow",
    "Th1s1sMyS3cr3tK3yF0rTh3D4shb0ard",
    "это мой очень секретный ключ для роутера",
    "这是我的服务器的密码因为我想不出更好的所以就写了这么一句很长的话给大家看看",
    "xkcd-936-correct-horse-battery-staple-2011",
]
NAMES = [
    "your-256-bit-secret-your-256-bit-secret",
    "my-jwt-secret-key-2024-production-v2",
    "SwitchmanDashboardSecretKey2024Prod",
    "jwt_secret_key_for_development_only_do_not_use",
    "internal-api-signing-key-staging-eu-west-1",
    "ThisIsAVeryLongPassphraseWithNumbers123456",
    "john.smith.1984.london.secret.key.router",
    "moc.elgoog.www.sptth.terces.drowssap.ym",
    "please-changeme-kX9v2QmT7wLr4ZcB8nHs1",
]
KEYS_AND_SEQUENCES = [
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "zaq12wsxcde34rfvbgt56yhnmju78ik,lo90p;/",
    "asdfasdfasdf1234asdfasdfasdf1234",
    "kljasdfkljasdflkjasdfkljasdfkljadsf",
    "hgjfkdlshgjfkdlsghfjdkslaghfjdksla",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "0000111122223333444455556666777788889999",
]
DATES_AND_DIGITS = [
    "2024-01-01-2024-02-01-2024-03-01-2024-04",
    "01021990030419920506199407081996",
    "20240101201912312020061520210704",
    "3.14159265358979323846264338327950288",
    "00000000000000000000000000000001hunter2",
    "1111111111111111111111111111111a",
    "0011010011101001101011010010110100110101",
    "aabbaabbabababbbaaabbabababaabbbabab",
]
ENCODED = [
    base64.b64encode(b"my secret key for the router dashboard").decode(),
    b"this is my very secret key".hex(),
]
KNOWN = {
    "super-secret-jwt-token-with-at-least-32-characters-long": "Supabase",
    "your-super-secret-jwt-token-with-at-least-32-characters-long": "Supabase",
    "UpNVntn3cDxHJpq99YMc1T1AQgQpc8kfYTuRgBiYa15BLrx8etQoXz3gZv1/u2oq": "Supabase",
    "16f8c0ef4a5d391b26034086c628469d3f9f497f08163ab9b40137092f2909ef": "LibreChat",
    "sk-9f73s3ljTXVcMT3Blb3ljTqtsKiGHXVcMT3BlbkFJLK7U": "Dify",
    "NX2kaPE923dt6BL2U8e9oSre5RfoT7hg": "LobeChat",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7": "FastAPI's tutorial",
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970": "a tutorial for Spring",
    "a-string-secret-at-least-256-bits-long": "jwt.io",
}
# Drawn once, so that the outcome is always the same.
STRONG = [
    "2225f81089c31818834d855cbb0fb9e3d60506c74e0f514884152675717ad483",  # openssl rand -hex 32
    "703b108ea28510525b896e2a48bf423a",  # openssl rand -hex 16
    "9F8E1B6C03D75A24E1C09B7D5A3F6E82",
    "llmnOZc2ryDYMJ9Nxv1eXuOEyTgMxZu4i1jcur2fWlLxPh1OYibEQI7wR5imZsvH",  # secrets.token_urlsafe(48)
    "c1476419-261f-429e-95a0-b30e56d7baf1",  # a UUID
    "6f1ed002-ab59-4b1f-9c3d-0e1f8f7a2b64c1476419-261f-429e-95a0-b30e56d7baf1",
    "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx",
    "kX9v2-QmT7w_Lr4ZcB8nHs1YdJf6GpUa",
    "f4T7qN+0vW2yXk8ZrLJd1mB/9sHcPgEoUaVi5tR3Qe4=",  # openssl rand -base64 32
    "GEZDGNBVMXW7QK2PHRZTJYUC5ALO3NSD",  # base32
    "qzjxkvmwbphgtrydnfclsuaoexiwkzqj",  # 32 letters
    ")o$w13xth(vtk4um=t3v$10-^%05_%!o*k0s05cp5yk3r#n9e7",  # Django's get_random_secret_key
    "dq7-K!m2)Rz%w9Tc#X4v(Lp6&Hs@Yb8^",
    "base64:3q2+7wXkZr9vT0yLmP5sHcD8gJfQaE4uBnOiW6tKx1Y=",  # as Laravel writes its key
    "A7KQ2-9XWTM-4BZRP-L8HVC-3NDYG-6FJSE-Q5UX7",
    "jwt-secret-2225f81089c31818834d855cbb0fb9e3d60506c74e0f514884152675717ad483",
]


@pytest.mark.parametrize(
    "secret", [*REPEATED, *SENTENCES, *NAMES, *KEYS_AND_SEQUENCES, *DATES_AND_DIGITS, *ENCODED, "", "short", "é" * 31]
)
def test_a_weak_secret_is_refused_and_not_repeated(secret: str) -> None:
    """Words of any language, repeats, rows of keys, dates, few characters, a placeholder: however long it is."""
    weakness = secret_weakness(secret)
    assert weakness is not None
    assert not secret or secret not in weakness


@pytest.mark.parametrize(("secret", "product"), KNOWN.items())
def test_what_others_ship_is_refused_by_name(secret: str, product: str) -> None:
    """It looks random, and everybody has it."""
    assert f"the one that {product} ships" in (secret_weakness(f" {secret}\n") or "")


@pytest.mark.parametrize("secret", STRONG)
def test_a_secret_that_was_drawn_is_good(secret: str) -> None:
    """In any alphabet, in groups, with a name before it."""
    assert secret_weakness(secret) is None


def test_what_the_usual_commands_print_is_good() -> None:
    """A draw is refused with a probability of one in ten thousand at most, and was not in thousands of draws."""
    for _ in range(5):
        for secret in (secrets.token_urlsafe(48), secrets.token_hex(32), f"{uuid.uuid4()}{uuid.uuid4()}"):
            assert secret_weakness(secret) is None, secret
        assert secret_weakness(base64.b64encode(secrets.token_bytes(32)).decode()) is None


def test_a_long_secret_is_judged_by_its_beginning() -> None:
    """A key in PEM, or kilobytes of hex: judging takes the square of what it looks at."""
    drawn = base64.b64encode(secrets.token_bytes(1500)).decode()
    lines = "\n".join(drawn[at : at + 64] for at in range(0, len(drawn), 64))
    began = time.thread_time()
    assert secret_weakness(secrets.token_hex(2048)) is None
    assert secret_weakness(f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n") is None
    assert secret_weakness("my very long sentence about the router " * 100) is not None
    assert time.thread_time() - began < 10  # 4,096 characters would take twenty seconds on a fast machine


def test_words_that_were_drawn_are_told_why() -> None:
    """Eight of diceware's are good, and are refused all the same: nothing tells them from a sentence."""
    weakness = secret_weakness("unwrapped-jingle-scoreless-parrot-dimly-crewmate-haven-ablaze")
    assert weakness is not None
    assert "diceware" in weakness
