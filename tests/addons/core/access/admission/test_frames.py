"""A WebSocket's frames: what passes, to the byte; what does not; and what is kept, which is nothing."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.admission.frames import NO_CODE, PROTOCOL_ERROR, TOO_BIG, Frames
from switchman.addons.testing import every_split

MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, masked: bool = False, reserved: int = 0) -> bytes:
    size = len(payload)
    mark = 0x80 if masked else 0
    if size < 126:
        length = bytes([mark | size])
    elif size < 65536:
        length = bytes([mark | 126]) + size.to_bytes(2)
    else:
        length = bytes([mark | 127]) + size.to_bytes(8)
    if masked:
        payload = MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))
    return bytes([(0x80 if last else 0) | reserved | opcode]) + length + payload


def fed(frames: Frames, parts: list[bytes]) -> bytes:
    return b"".join(frames.feed(part) for part in parts)


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_valid_passes_to_the_byte_however_it_is_cut(masked: bool) -> None:
    """Text, binary, fragments with a ping between them, empty ones, lengths of all three forms, a closing frame."""
    sent = b"".join(
        frame(opcode, payload, last=last, masked=masked)
        for opcode, payload, last in [
            (1, b"hello", True), (2, b"\0\xff" * 40, True), (1, b"", True), (1, b"frag", False), (9, b"ping", True),
            (0, b"", False), (10, b"", True), (0, b"ment", True), (2, b"x" * 200, True), (1, b"", False),
            (0, b"", True), (9, b"p" * 125, True), (2, b"", False), (0, b"y" * 70, False), (0, b"z", True),
            (8, b"\x0f\xa1bye", True),
        ]
    )  # fmt: skip
    for parts in every_split(sent):
        frames = Frames(masked, 300)
        assert fed(frames, parts) == sent
        assert (frames.violation, frames.closed, frames.messages) == (None, (4001, "bye"), 7)
        assert frames.size == 5 + 80 + 8 + 200 + 71 + len(b"ping") + 125 + len(b"\x0f\xa1bye")


def test_a_long_frame_passes_as_it_comes() -> None:
    """Nothing of it is held back until it is whole."""
    frames = Frames(False, 10**6)
    whole = frame(2, b"x" * 10**6)
    assert fed(frames, [whole[:100]]) == whole[:100]
    assert fed(frames, [whole[100:]]) == whole[100:]


FAULTS: dict[str, tuple[bytes, bytes, int]] = {
    # name: what passes, what does not, the code
    "RSV1, a compressed message": (frame(1, b"a"), frame(1, b"b", reserved=0x40), PROTOCOL_ERROR),
    "RSV2": (b"", frame(1, b"b", reserved=0x20), PROTOCOL_ERROR),
    "RSV3": (b"", frame(2, b"b" * 100, reserved=0x10), PROTOCOL_ERROR),
    "an unknown opcode": (b"", frame(3, b"x"), PROTOCOL_ERROR),
    "an unknown control opcode": (frame(9), frame(0xB), PROTOCOL_ERROR),
    "masked by a server": (b"", frame(1, b"b", masked=True), PROTOCOL_ERROR),
    "a long ping": (b"", frame(9, b"x" * 126), PROTOCOL_ERROR),
    "a ping in fragments": (b"", frame(9, b"x", last=False), PROTOCOL_ERROR),
    "a long closing frame": (b"", frame(8, b"\x03\xe8" + b"x" * 124), PROTOCOL_ERROR),
    "a continuation of nothing": (frame(1), frame(0, b"x"), PROTOCOL_ERROR),
    "a message within a message": (frame(1, b"a", last=False), frame(1, b"b"), PROTOCOL_ERROR),
    "a large message": (frame(2, b"x" * 300), frame(2, b"x" * 301), TOO_BIG),
    "a large length": (b"", b"\x82\x7f" + b"\xff" * 8, TOO_BIG),
    "large by its fragments": (
        frame(2, b"x" * 200, last=False) + frame(9, b"y" * 125) + frame(0, b"x" * 100, last=False),
        frame(0, b"x"),
        TOO_BIG,
    ),
    "large by small fragments": (frame(1, last=False) + frame(0, b"abc", last=False) * 100, frame(0, b"d"), TOO_BIG),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_passes_of_a_frame_that_may_not(name: str) -> None:
    """However it is cut; so another one can be put in its place. Nothing that follows passes either."""
    before, bad, code = FAULTS[name]
    for parts in every_split(before + bad + frame(1, b"later")):
        frames = Frames(False, 300)
        assert fed(frames, parts) == before
        assert frames.violation is not None and frames.violation.code == code
        assert 0 < len(frames.violation.reason.encode()) <= 123


def test_a_clients_frames_must_be_masked() -> None:
    """RFC 6455 section 5.1."""
    frames = Frames(True, 300)
    assert frames.feed(frame(1, b"a")) == b"" and frames.violation is not None


def test_a_limit_names_its_setting() -> None:
    """Who reads the closing frame can do something about it."""
    frames = Frames(False, 5)
    frames.feed(frame(1, b"123456"))
    assert frames.violation is not None and "5 bytes (MAX_WEBSOCKET_MESSAGE)" in frames.violation.reason


def test_the_answer_to_a_closing_frame_is_read_after_a_large_message() -> None:
    """What is too large is passed over, byte by byte, and not kept."""
    frames = Frames(False, 5)
    for part in (frame(2, b"x" * 100_000)[at : at + 1000] for at in range(0, 101_000, 1000)):
        assert frames.feed(part) == b""
    frames.feed(frame(8, b"\x03\xf1"))
    assert frames.closed == (1009, "")


@pytest.mark.parametrize(
    ("payload", "closed"),
    [(b"", (NO_CODE, "")), (b"\x03", (NO_CODE, "")), (b"\x03\xe8", (1000, "")), (b"\x0f\xa0\xffx", (4000, "\ufffdx"))],
)
def test_the_code_is_read_from_the_closing_frame(payload: bytes, closed: tuple[int, str]) -> None:
    """It passes as it is, and nothing after it does."""
    sent = frame(8, payload, masked=True)
    frames = Frames(True, 5)
    assert fed(frames, [sent + frame(1, b"later", masked=True)]) == sent
    assert frames.closed == closed


@pytest.mark.parametrize("cut", [1, 2, 30, 103])
def test_finish_lets_a_frame_end_that_has_begun_to_pass(cut: int) -> None:
    """And no other; a frame whose head is not whole has not begun."""
    first = frame(2, b"x" * 100)
    frames = Frames(False, 300)
    out = frames.feed((first + frame(1, b"later"))[:cut])
    frames.finish()
    out += frames.feed((first + frame(1, b"later"))[cut:])
    assert out == (first if cut >= 2 else b"") and not frames.passes


@pytest.mark.parametrize("small", [b"\x81\x00", b"\x01\x00\x80\x00", b"\x89\x00", b"\x81\x03abc"])
def test_a_read_full_of_tiny_frames_is_taken_at_once(small: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frame by frame, one read of 64 kB would hold the event loop for a tenth of a second and more."""
    frames, begun = Frames(False, 10**6), 0

    def begin(head: object) -> None:
        nonlocal begun
        begun += 1

    monkeypatch.setattr(frames, "_begin", begin)
    sent = small * (65_536 // len(small))
    assert frames.feed(sent) == sent
    assert begun == 0
