"""The Exchange: who writes which of its fields, and what it says of a request."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from switchman.addons.assembly import assemble
from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, Exchange, begin, exchange

ADDONS = Path(__file__).parents[3] / "addons"
# In the proxy's room one request's stream is spread over several modules: the room as a whole names its fields.
WHOLE_ROOMS = (ADDONS / "proxy",)
MODULES = sorted(
    path
    for room in ("hooks", "flow", "state", "proxy")
    for path in (ADDONS / room).rglob("*.py")
    if path.parent not in WHOLE_ROOMS and path.name not in ("__init__.py", "exchange.py")
)
EXCHANGE = frozenset(one.name for one in dataclasses.fields(Exchange))
ATTEMPT = frozenset(one.name for one in dataclasses.fields(Attempt))
HOOKS = ("requestheaders", "request", "upstream_failed", "responseheaders", "response", "error")
LISTS = frozenset({"trace", "attempts"})
CHANGING = frozenset({"append", "extend", "insert", "clear", "pop", "remove"})
WRITES = re.compile(r"^Writes: ([^.]*(?:\.\w[^.]*)*)\.$", re.MULTILINE)


class Writes(ast.NodeVisitor):
    """The fields that one module writes: `field` of an Exchange, `attempt.field` of an Attempt.

    A variable is known for one by its annotation, or by where it comes from: exchange(), `.attempt`, `.attempts`.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.found: set[str] = set()
        self.names: dict[str, str] = {}
        for node in ast.walk(tree):
            match node:
                case ast.arg(arg=name, annotation=annotation) if annotation is not None:
                    self._know(name, _class_of(annotation))
                case (
                    ast.NamedExpr(target=ast.Name(id=name), value=value)
                    | ast.Assign(targets=[ast.Name(id=name)], value=value)
                ):
                    self._know(name, self._kind(value))
        self.visit(tree)

    def _know(self, name: str, kind: str | None) -> None:
        if kind is not None:
            assert self.names.setdefault(name, kind) == kind, f"{name} is now an Exchange, now an Attempt"

    def _kind(self, node: ast.expr) -> str | None:
        match node:
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Call(func=ast.Name(id="exchange")):
                return "Exchange"
            case ast.Call(func=ast.Attribute(attr="_exchange_or_none")):
                return "Exchange"
            case ast.Call(func=ast.Name(id="Exchange" | "Attempt" as name)):
                return name
            case ast.Attribute(attr="attempt") | ast.Subscript(value=ast.Attribute(attr="attempts")):
                return "Attempt"
        return None

    def _written(self, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            for one in target.elts:
                self._written(one)
        elif isinstance(target, ast.Attribute):
            kind = self._kind(target.value)
            if kind == "Exchange" and target.attr in EXCHANGE:
                self.found.add(target.attr)
            elif kind == "Attempt" and target.attr in ATTEMPT:
                self.found.add(f"attempt.{target.attr}")
            else:
                self._written(target.value)  # a part of a field is of the field

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._written(target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._written(node.target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._written(node.target)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Attribute(attr=method, value=ast.Attribute(attr=field) as on) if method in CHANGING:
                if field in LISTS:
                    self._written(on)
            case ast.Name(id="Exchange"):
                self.found |= {keyword.arg or "" for keyword in node.keywords}
            case ast.Name(id="Attempt"):
                self.found |= {f"attempt.{keyword.arg}" for keyword in node.keywords}
        self.generic_visit(node)


def _class_of(annotation: ast.expr) -> str | None:
    """`Exchange`, `Exchange | None`."""
    if isinstance(annotation, ast.BinOp):
        return _class_of(annotation.left)
    name = annotation.id if isinstance(annotation, ast.Name) else ""
    return name if name in ("Exchange", "Attempt") else None


def written(*paths: Path) -> set[str]:
    return {field for path in paths for field in Writes(ast.parse(path.read_text())).found}


def named(path: Path) -> set[str]:
    """What the docstrings of a module and its classes say that they write."""
    tree = ast.parse(path.read_text())
    documented = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return {field for node in documented for field in _named_in(ast.get_docstring(node) or "")}


def _named_in(docstring: str) -> Iterator[str]:
    for line in WRITES.findall(docstring):
        yield from (field.strip() for field in line.split(",") if field.strip() != "nothing")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ADDONS).as_posix())
def test_a_module_names_the_fields_that_it_writes(path: Path) -> None:
    """All of them, and no others."""
    assert named(path) == written(path)


@pytest.mark.parametrize("room", WHOLE_ROOMS, ids=lambda path: path.name)
def test_a_room_names_the_fields_that_its_modules_write(room: Path) -> None:
    """Its own docstring, as what its modules do belongs together."""
    assert named(room / "__init__.py") == written(*room.glob("*.py"))


@pytest.mark.parametrize(
    "addon",
    [type(one) for one in assemble() if any(hasattr(one, hook) for hook in HOOKS)],
    ids=lambda one: one.__name__,
)
def test_an_addon_of_requests_says_what_it_writes(addon: type) -> None:
    """Be it nothing."""
    assert WRITES.search(inspect.getdoc(addon) or "")


def test_every_field_has_a_writer() -> None:
    """A field that nobody writes is none."""
    everywhere = written(*MODULES, *(path for room in WHOLE_ROOMS for path in room.glob("*.py")))
    assert everywhere >= EXCHANGE | {f"attempt.{field}" for field in ATTEMPT}


def test_few_say_how_a_request_ended() -> None:
    """The judge's addon; what makes the router's own answers; the proxy, which refuses what never becomes a request."""
    for field in ("outcome", "error"):
        writers = [path for path in MODULES if field in written(path)]
        assert writers == [ADDONS / "flow/refusal.py", ADDONS / "hooks/outbound/judging.py"]
    for field in ("verdict", "ended"):
        assert [path.name for path in MODULES if f"attempt.{field}" in written(path)] == ["judging.py"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(x: Exchange): x.error = 1", {"error"}),
        ("def f(x: Exchange | None): x.outcome, x.error = 1, 2", {"outcome", "error"}),
        ("def f(flow): x = exchange(flow); x.trace += []", {"trace"}),
        ("def f(flow):\n if (x := exchange(flow)) and (attempt := x.attempt): attempt.ended = 1", {"attempt.ended"}),
        ("def f(x: Exchange): x.attempts.append(1); x.trace.extend([])", {"attempts", "trace"}),
        ("def f(x: Exchange): x.cache.status = 1", {"cache"}),
        ("def f(x: Exchange): x.attempts[-1].status = 1", {"attempt.status"}),
        ("Exchange(id='', started=1)", {"id", "started"}),
        ("def f(x: Exchange): print(x.error, x.trace.count(1)); y.error = 1; self.error = 2", set()),
    ],
)
def test_what_counts_as_writing(code: str, found: set[str]) -> None:
    """The walk through the code sees what it is for."""
    assert Writes(ast.parse(code)).found == found


# What it says of a request

SERVER = Server("s", parse("http://s:1"))


def attempt(verdict: Verdict | None = None) -> Attempt:
    return Attempt(1, Candidate(SERVER, "m"), "s/m", "http://s:1/", 1.0, 1.0, verdict=verdict)


def test_it_goes_with_its_flow() -> None:
    """A flow without one is not ours."""
    flow, x = tflow.tflow(), Exchange("id", 0.0, 0.0, "c")
    assert exchange(flow) is None
    begin(flow, x)
    assert exchange(flow) is x
    assert exchange(flow.copy()) is None


def test_an_attempt_says_how_it_ended_by_its_verdict() -> None:
    """Nothing while it runs."""
    running, over = attempt(), attempt(Verdict("refused", "answered", "no"))
    assert (running.outcome, running.error) == (None, None)
    assert (over.outcome, over.error) == ("status", "no")


def test_who_answered() -> None:
    """The last one that was asked; of an answer from a cache, who gave it first; of one of the router's own, nobody."""
    x = Exchange("id", 0.0, 0.0, "c", plan=Plan((Candidate(SERVER, "first"),), "layer", "route"))
    assert (x.candidate, x.target, x.verdict) == (None, None, None)
    x.outcome = "cached"
    assert x.target == "s/first"
    x.attempts = [attempt(Verdict("connect", "failed")), attempt(good := Verdict("ok", "answered"))]
    assert (x.target, x.verdict) == ("s/m", good)


@pytest.mark.parametrize(
    ("outcome", "verdict", "answered"),
    [
        ("ok", Verdict("ok", "answered"), True),
        ("ok", Verdict("beside", "failed"), False),
        ("failed", Verdict("ok", "answered"), False),
        ("stream_error", Verdict("stream", "failed"), False),
        (None, None, False),
        ("ok", None, False),
    ],
)
def test_only_a_servers_good_answer_counts(outcome: str | None, verdict: Verdict | None, answered: bool) -> None:
    """What may be kept, and what a conversation sticks to."""
    x = Exchange("id", 0.0, 0.0, "c", attempts=[attempt(verdict)], outcome=outcome)  # type: ignore[arg-type]
    assert x.was_answered is answered


def test_the_summary_is_of_plain_values() -> None:
    """mitmproxy saves it with the flow."""
    x = Exchange("id", 0.0, 0.0, "c", plan=Plan((Candidate(SERVER, "m"),), "layer", "route"), attempts=[attempt()])
    assert x.summary() == {
        "switchman_id": "id",
        "switchman_layer": "layer",
        "switchman_route": "route",
        "switchman_target": "s/m",
        "switchman_attempts": 1,
        "switchman_outcome": None,
        "switchman_token": None,
    }
