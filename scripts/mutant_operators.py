"""Edits made from a file's syntax: the slips that are most often made, one at a time.

    edits_of(text) -> Edits     comparison flipped, `and` and `or` swapped, `not` dropped, a number off by one, what is
                                returned made None, a statement removed

Many of them change nothing that anybody can see. So they are for a person to read through; what must hold for good
stands in the table of edits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FLIPPED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` stands at the offset `at` (characters) and is replaced by `new`; `line` counts from 1."""

    at: int
    line: int
    kind: str
    old: str
    new: str


def edits_of(text: str) -> list[Edit]:
    """All edits of a Python file, from its top to its end. SyntaxError where it is none."""
    lines = text.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))

    def offset(line: int, column: int) -> int:  # a node's columns count bytes of UTF-8
        return begins[line - 1] + len(lines[line - 1].encode()[:column].decode())

    found: list[Edit] = []
    for node, kind, new in _changes(ast.parse(text)):
        at = offset(node.lineno, node.col_offset)
        assert node.end_lineno is not None and node.end_col_offset is not None
        old = text[at : offset(node.end_lineno, node.end_col_offset)]
        found.append(Edit(at, node.lineno, kind, old, new))
    return sorted(found, key=lambda edit: edit.at)


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """(node, kind, what stands in its place)"""
    passed_over = {part for node in ast.walk(tree) for part in _silent(node)}
    for node in ast.walk(tree):
        if node in passed_over:
            continue
        match node:
            case ast.Compare(left, [operator], [right]) if type(operator) in _FLIPPED:
                yield node, "compare", f"({ast.unparse(ast.Compare(left, [_FLIPPED[type(operator)]()], [right]))})"
            case ast.BoolOp(operator, values):
                other = ast.Or() if isinstance(operator, ast.And) else ast.And()
                yield node, "and-or", f"({ast.unparse(ast.BoolOp(other, values))})"
            case ast.UnaryOp(ast.Not(), operand):
                yield node, "not", f"({ast.unparse(operand)})"
            case ast.Constant(value) if type(value) is int:
                yield node, "number", str(value + 1)
            case ast.Return(ast.Constant(bool() as value)):  # None would be as good as False
                yield node, "return", f"return {not value}"
            case ast.Return(value) if value is not None and not _is_none(value):
                yield node, "return", "return None"
            case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Raise() | ast.Continue():
                yield node, "remove", "pass"
            case ast.Assign([ast.Attribute() | ast.Subscript()]):
                yield node, "remove", "pass"


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _silent(node: ast.AST) -> Iterator[ast.AST]:
    """What is not to be changed: types, and what stands within an f-string or an assertion."""
    match node:
        case ast.JoinedStr() | ast.Assert():
            yield from ast.walk(node)
        case ast.AnnAssign(annotation=annotation):
            yield from ast.walk(annotation)
        case ast.arg(annotation=ast.expr() as annotation):
            yield from ast.walk(annotation)
        case ast.FunctionDef(returns=ast.expr() as returns):
            yield from ast.walk(returns)
