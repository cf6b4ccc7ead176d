"""What the rooms below say to people, as it stands in their source: traces, errors, refusals, what was changed.

They know no pages and no languages: they write English sentences into rows, which programs read as they are. A page
translates such a sentence by the one that it came from in the source (otherwords.py). So nobody has to mark anything
there: each text of two words or more that stands in SPEAKING is a sentence, unless QUIET says why not, and has its
place in the catalogs, with the context ROOM. A test holds them complete. Read by scripts/translations and by tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Final

from switchman.webui.looks.otherwords import ENDINGS, FEW_LETTERS, LIST, letters_of

ADDONS: Final = Path(__file__).resolve().parents[2] / "addons"
SPEAKING: Final = (
    "core/access",
    "core/decision",
    "core/dialects",
    "core/paths",
    "core/request/jsonedit.py",
    "core/request/unambiguous",
    "core/routes",
    "core/rules/reachcompile.py",
    "core/rules/rulescheck.py",
    "core/servers",
    "flow",
    "hooks",
    "proxy",
    "state",
    "store/access",
    "config/editing",
)
QUIET: Final = {
    "core/decision/arbitration.py": "what the arbiter is told",
    "core/decision/described": "what the model is told that drafts rules; its findings are of the rules' own page",
    "core/decision/replaying": "told by messages.py, which knows its tables",
    "core/dialects/ollama/show.py": "a Modelfile",
    "core/dialects/openai/as_functions.py": "what a model is told of a tool",
    "core/dialects/neutral/linking.py": "what a model is told of a tool's result",
    "core/routes/making": "of a rules file that is written",
    "core/routes/resyntax.py": "faults of the rules file, which has words of its own (looks/rulewords.py)",
    "core/routes/patterns.py": "likewise",
    "state/runtime.py": "what mitmproxy's options say of themselves",
    "state/access/sqliteledger.py": "SQL",
    "state/metrics": "what Prometheus is told of the numbers",
    "state/telemetry": "what a collector of OpenTelemetry's is told",
    "store/access/sealing.py": "names of algorithms",
}
# Names of threads, headers and conditions; SQL; what OpenSSL and a resolver say.
NO_SENTENCE: Final = re.compile(
    r"switchman [a-z]|(?:Bearer|Basic) |text/|[a-z_]+ %\(\w+\)s(?: %\(\w+\)s)?$"
    r"|(?:SELECT|UPDATE|INSERT|DELETE|PRAGMA|CONNECT|BEGIN) "
    r"|TLS Error$|name resolution|no address associated|nodename nor|name or service|alert "
)
_UNSAID: Final = {
    "compile",
    "warn",
    "warning",
    "info",
    "debug",
    "error",
    "exception",
    "text",
    "exec_driver_sql",
    "split",
}
_OTHERS: Final = {"Sign", "_words"}  # a call of these has what servers say (core/decision/verdicts/overflow.py)
_WORDLESS: Final = (ast.Name, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)  # most of a source
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_VALUE: Final = re.compile(r"%\(\w+\)s")
_MOST: Final = 8  # forms of one text that has alternatives in it


@cache
def of_rooms() -> tuple[tuple[Path, str], ...]:
    """Each sentence with its file, with %(name)s where a value goes."""
    return tuple(_of_rooms())


def _of_rooms() -> Iterator[tuple[Path, str]]:
    for room in SPEAKING:
        path = ADDONS / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            name = file.relative_to(ADDONS).as_posix()
            if not any(name == quiet or name.startswith(f"{quiet}/") for quiet in QUIET):
                for sentence in said_in(file.read_text("utf-8")):
                    yield file, sentence


def said_in(source: str) -> Iterator[str]:
    """The sentences of one module, as they come in it."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if _is_unsaid(node):
            continue
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            yield from filter(_is_sentence, _forms(node))
        if isinstance(node, ast.Call) and (joiner := _joiner(node)):
            yield joiner.join(f"%({name})s" for name in LIST)
        waiting += reversed([child for child in _within(node) if not isinstance(child, _WORDLESS)])


def _is_unsaid(node: ast.AST) -> bool:
    """Whether nothing in it is said to anybody: a docstring; the log, patterns, SQL; what servers say."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in _UNSAID
    return isinstance(node.func, ast.Name) and node.func.id in _OTHERS


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """What may have more sentences in it: of a text in several parts, what stands for its values."""
    if isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
    elif isinstance(node, ast.BinOp):
        for side in (node.left, node.right):
            if isinstance(side, ast.JoinedStr | ast.BinOp):
                yield from _within(side)
            elif not isinstance(side, ast.Constant):
                yield side
    else:
        yield from ast.iter_child_nodes(node)


def _forms(node: ast.expr) -> list[str]:
    """What a text may read, once for each alternative in it; [] for what is no text."""
    names: set[str] = set()
    parts = _parts(node)
    if not any(isinstance(part, ast.Constant) for part in parts):
        return []
    choices = [_choices(part, names) for part in parts]
    return list(dict.fromkeys("".join(form) for form in islice(product(*choices), _MOST)))


def _parts(node: ast.expr) -> list[ast.expr]:
    """A text's pieces, one after the other, however it is put together."""
    if isinstance(node, ast.JoinedStr):
        return [part for value in node.values for part in _parts(value)]
    if isinstance(node, ast.FormattedValue):
        return [node] if not isinstance(node.value, ast.JoinedStr) else _parts(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_parts(node.left), *_parts(node.right)]
    return [node]


def _choices(part: ast.expr, names: set[str]) -> list[str]:
    if isinstance(part, ast.Constant):
        return [part.value.replace("%", "%%")] if isinstance(part.value, str) else [""]
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.IfExp):
        sides = [_parts(value.body), _parts(value.orelse)]
        if all(isinstance(piece, ast.Constant | ast.FormattedValue) for side in sides for piece in side):
            return ["".join(_choices(piece, names)[0] for piece in side) for side in sides]
    return [f"%({_free(_name(value), names)})s"]


def _name(value: ast.expr) -> str:
    """What a value is called in a message, for its translators."""
    if isinstance(value, ast.Name | ast.Attribute):
        return (value.id if isinstance(value, ast.Name) else value.attr).strip("_").lower()
    return _name(value.args[0]) if isinstance(value, ast.Call) and len(value.args) == 1 else "value"


def _free(name: str, names: set[str]) -> str:
    found = next(one for n in range(1, 99) if (one := name if n == 1 else f"{name}{n}") not in names)
    names.add(found)
    return found


def _joiner(node: ast.Call) -> str | None:
    """The word between the members of a list: ", then ", " and "."""
    func = node.func
    if isinstance(func, ast.Attribute) and func.attr == "join" and isinstance(func.value, ast.Constant):
        text = func.value.value
        return text if isinstance(text, str) and re.fullmatch(r",? ?(?:then|and|or|nor) ", text) else None
    return None


def _is_sentence(text: str) -> bool:
    told = _VALUE.sub("", text)
    is_framed = told != text and (text[0].isupper() or text[0] in ENDINGS or text[-1] == ".")
    return (
        " " in text.strip()
        and "\n" not in text
        and len(_WORD.findall(told)) >= (1 if is_framed else 2)
        and not NO_SENTENCE.match(text)
        and (text[:2] != "%(" or text[-2:] != ")s" or letters_of(text) >= FEW_LETTERS)
    )
