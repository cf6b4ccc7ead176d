"""The budget of all bodies: who is read on, who waits, and who goes on when there is room again."""

from __future__ import annotations

from switchman.addons.memory.budget import ANSWER_COPIES, COPIES, SMALL, Budget, Hold
from switchman.addons.memory.taps import Tap

MB = 1_000_000


class Client:
    """A connection with one request."""

    def __init__(self, budget: Budget) -> None:
        self.tap = Tap()
        self.hold = Hold(budget, self.tap)

    def begins(self, length: int | None) -> Client:
        self.hold.expect(length)
        return self

    def sends(self, size: int) -> Client:
        self.hold.body_arrives(size)
        return self

    @property
    def waits(self) -> bool:
        assert self.hold.waits is not self.tap.is_open
        return self.hold.waits


def test_what_fits_does_not_wait() -> None:
    """Each piece counts with its copies, until the request is over."""
    budget = Budget(10 * MB)
    client = Client(budget).begins(MB).sends(MB)
    client.hold.body_complete()
    assert not client.waits and budget.used == COPIES * MB
    client.hold.release()
    client.hold.release()
    assert budget.used == 0


def test_a_body_that_finds_no_room_waits_before_it_is_read() -> None:
    """By its length; the one before it, which is over the limit, is read on to its end."""
    budget = Budget(MB)
    first, second, third = (Client(budget).begins(MB) for _ in range(3))
    first.sends(MB)
    assert [c.waits for c in (first, second, third)] == [False, True, True] and budget.waiting == 2
    first.hold.body_complete()
    assert second.waits, "what is complete holds its memory still"
    first.hold.release()
    assert [c.waits for c in (second, third)] == [False, True]


def test_a_body_of_unknown_length_waits_where_the_room_ends() -> None:
    """What was read of it stays; the first in line goes on, so that one is completed."""
    budget = Budget(6 * MB)
    first, second = Client(budget).begins(None), Client(budget).begins(None)
    first.sends(MB), second.sends(MB)
    assert not first.waits and not second.waits
    first.sends(1), second.sends(1)
    assert not first.waits and second.waits
    first.sends(5 * MB)
    assert not first.waits
    first.hold.release()
    assert not second.waits and budget.used == COPIES * (MB + 1)


def test_small_bodies_never_wait() -> None:
    """Whatever a large one holds."""
    budget = Budget(MB)
    Client(budget).begins(MB).sends(MB)
    Client(budget).begins(MB)
    for length in (SMALL, None):
        assert not Client(budget).begins(length).sends(SMALL).waits


def test_as_many_go_on_as_fit() -> None:
    """In their order; a large one that does not fit yet is passed by smaller ones."""
    budget = Budget(12 * MB)
    full = Client(budget).begins(4 * MB).sends(4 * MB)
    first, large, small = (Client(budget).begins(size) for size in (MB, 40 * MB, MB))
    assert [c.waits for c in (first, large, small)] == [False, True, True]
    full.hold.release()
    assert [c.waits for c in (first, large, small)] == [False, True, False]
    first.hold.release()
    assert not large.waits


def test_who_leaves_the_line_lets_the_next_one_be_first() -> None:
    """Also where it never came to be read."""
    budget = Budget(0)
    clients = [Client(budget).begins(MB) for _ in range(3)]
    assert [c.waits for c in clients] == [False, True, True]
    clients[1].hold.release()
    assert not clients[1].waits and clients[2].waits
    clients[0].hold.release()
    assert not clients[2].waits


def test_what_waits_to_be_written_counts() -> None:
    """It is let go of without a word, and the next one who asks finds the room."""
    waiting = [9 * MB]
    budget = Budget(9 * MB, lambda: waiting[0])
    first, second = Client(budget).begins(MB), Client(budget).begins(MB)
    assert not first.waits and second.waits
    waiting[0] = 0
    third = Client(budget).begins(MB)
    assert not second.waits and not third.waits


def test_who_waits_is_told_of_it_once() -> None:
    """When its body is not read on, and when it is; by its end as well."""
    budget, told = Budget(MB), list[bool]()
    first = Client(budget).begins(MB).sends(MB)
    hold = Hold(budget, Tap(), told.append)
    hold.expect(MB)
    hold.body_arrives(SMALL)
    assert told == [True]
    first.hold.release()
    assert told == [True, False]
    hold.release()
    assert told == [True, False]


def test_answers_have_half_of_the_room_and_the_largest_goes_on() -> None:
    """Whatever the bodies take. A small one is always held back, one that is alone up to what any may have."""
    budget, most = Budget(8 * MB), 100 * MB
    first, second, third = Client(budget), Client(budget), Client(budget)
    third.begins(100 * MB).sends(20 * MB)
    first.hold.answer_arrives(2 * MB)
    assert first.hold.most_of_answer(most) == most
    second.hold.answer_arrives(1)
    assert (first.hold.most_of_answer(most), second.hold.most_of_answer(most)) == (most, SMALL)
    first.hold.answer_arrives(50 * MB)
    assert first.hold.most_of_answer(most) == most
    first.hold.drop_answer()
    assert second.hold.most_of_answer(most) == most
    assert budget.held == COPIES * 20 * MB + ANSWER_COPIES
    for client in (first, second, third):
        client.hold.release()
        client.hold.release()
    assert budget.held == budget.answers == 0


def test_what_a_stream_holds_counts_as_it_is_now() -> None:
    """More, less, and nothing once its request is over."""
    budget = Budget(10 * MB)
    client = Client(budget)
    for size in (3 * MB, 5 * MB, 1 * MB):
        client.hold.buffers(size)
        assert budget.used == size
    client.hold.answer_arrives(MB)
    client.hold.release()
    assert budget.used == 0
