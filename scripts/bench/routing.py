"""How right the routing's judgements are: task types, the semantic cache's guards, and what they cost.

    scripts/bench/routing [--tasktype FILE.jsonl] [--pairs FILE.jsonl] [--json] [--no-embedder] [--no-chain]

Files are in the format of ../shared/evaldata. Task types: accuracy and macro-F1 over all, per language and per
source, and on the share the guess is surest of, for L1 alone and, where an embedder is at hand, for L1 + L2. Guards:
hits where both asks are the same, and wrong hits where they differ, over all, per kind, language and source. Timing:
features of a 2,000-character prompt, an embedding at 16, 64 and 256 tokens on one core, and the whole chain in a real
router (chain.py, also on its own: scripts/bench/chain).
Without files, those of the shared folder are used if they are there. The weights of the shipped task-type rules were
fitted on them too: figures that mean something come from other files, or from fit_tasktype.py --hold-out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chain
import evaldata
from semantic_process import SemanticProcess, model_folder

from switchman.addons.core.cache.guards import RELAXED_SIMILARITY, relaxed, strict
from switchman.addons.core.request.features import features_of
from switchman.addons.core.request.tasktype import TaskRules

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "rules/tasktype.json"
SHARED = ROOT.parent / "shared/evaldata"
ROUNDS = 100  # of each timing

# texts -> unit vectors
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
# text -> share of each task type
Judge = Callable[[str], Mapping[Any, float]]


@dataclass(frozen=True, slots=True)
class Aim:
    """What the issue asks for; `least` or `most`."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


AIMS = {
    "L1.accuracy": Aim(least=0.75),
    "L1.macro_f1": Aim(least=0.75),
    "L1.chinese": Aim(least=0.75),
    "L1.surest_50": Aim(least=0.92),
    "L1+L2.accuracy": Aim(least=0.82),
    "L1+L2.macro_f1": Aim(least=0.82),
    "L1+L2.surest_70": Aim(least=0.90),
    "strict.hit": Aim(least=0.30),
    "strict.wrong": Aim(most=0.003),
    "strict.surface": Aim(least=0.99),
    "relaxed.hit": Aim(least=0.40),
    "relaxed.wrong": Aim(most=0.01),
    "features_ms": Aim(most=1.0),
    "embed_16_ms": Aim(most=3.0),
    "embed_64_ms": Aim(most=6.0),
    "embed_256_ms": Aim(most=25.0),
    "process_mb": Aim(most=150.0),
    "process_ready_s": Aim(most=1.0),
}


# ---- task types ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    label: str
    lang: str
    source: str
    guess: str
    confidence: float

    @property
    def right(self) -> bool:
        return self.guess == self.label


def judged(rows: Iterable[Mapping[str, Any]], judge: Judge) -> list[Judged]:
    found = []
    for row in rows:
        scores = judge(row["text"])
        best: str = max(scores, key=lambda task: scores[task]) if scores else "general"
        confidence = scores.get(best, 0.0)
        found.append(Judged(row["label"], row["lang"], row["source"], best, confidence))
    return found


def accuracy(found: Sequence[Judged]) -> float:
    return sum(one.right for one in found) / len(found) if found else 0.0


def macro_f1(found: Sequence[Judged]) -> float:
    """Mean F1 over the types that occur as labels."""
    scores = []
    for task in sorted({one.label for one in found}):
        hits = sum(one.right for one in found if one.label == task)
        named = sum(one.guess == task for one in found)
        there = sum(one.label == task for one in found)
        scores.append(2 * hits / (named + there) if named + there else 0.0)
    return statistics.fmean(scores) if scores else 0.0


def surest(found: Sequence[Judged], share: float) -> list[Judged]:
    """The share of the guesses with the highest confidence; labels play no part in the choice."""
    ordered = sorted(found, key=lambda one: -one.confidence)
    return ordered[: max(1, round(len(ordered) * share))]


def grouped[T](found: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return dict(sorted(groups.items()))


def figures(found: Sequence[Judged]) -> dict[str, Any]:
    return {"n": len(found), "accuracy": round(accuracy(found), 4), "macro_f1": round(macro_f1(found), 4)}


def tasktype_figures(found: Sequence[Judged]) -> dict[str, Any]:
    confusion = {
        task: {guess: len(same) for guess, same in grouped(those, lambda one: one.guess).items()}
        for task, those in grouped(found, lambda one: one.label).items()
    }
    return {
        "overall": figures(found),
        "surest_50": figures(surest(found, 0.5)),
        "surest_70": figures(surest(found, 0.7)),
        "languages": {name: figures(some) for name, some in grouped(found, lambda one: one.lang).items()},
        "sources": {name: figures(some) for name, some in grouped(found, lambda one: one.source).items()},
        "types": {name: figures(some) for name, some in grouped(found, lambda one: one.label).items()},
        "confusion": confusion,
    }


# ---- guards -------------------------------------------------------------------------------------------------------


def similarity_of(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(a, b, strict=True))


def pair_figures(rows: Sequence[Mapping[str, Any]], embed: Embed | None) -> dict[str, Any]:
    """Both guards on every pair. Without an embedder the relaxed guard is given a similarity of 1."""
    texts = sorted({row[side] for row in rows for side in ("a", "b")})
    vectors = dict(zip(texts, embed(texts), strict=True)) if embed else None
    verdicts = []
    for row in rows:
        a, b = row["a"], row["b"]
        near = similarity_of(vectors[a], vectors[b]) if vectors else 1.0
        verdicts.append((row, {"strict": strict(a, b), "relaxed": relaxed(a, b, near)}))

    def shares(some: Sequence[tuple[Mapping[str, Any], dict[str, bool]]]) -> dict[str, Any]:
        found: dict[str, Any] = {"n": len(some)}
        for guard in ("strict", "relaxed"):
            for name, same in (("hit", True), ("wrong", False)):
                of = [verdict[guard] for row, verdict in some if bool(row["same"]) is same]
                found[f"{guard}_{name}"] = round(sum(of) / len(of), 4) if of else None
        return found

    surface = [one for one in verdicts if one[0]["same"] and one[0]["kind"].startswith("surface")]
    return {
        "overall": shares(verdicts),
        "surface": shares(surface),
        "similarity": f"of the embedder, at least {RELAXED_SIMILARITY}" if vectors else "taken as 1 (no embedder)",
        "languages": {k: shares(v) for k, v in grouped(verdicts, lambda one: one[0]["lang"]).items()},
        "sources": {k: shares(v) for k, v in grouped(verdicts, lambda one: one[0]["source"]).items()},
        "kinds": {k: shares(v) for k, v in grouped(verdicts, lambda one: one[0]["kind"]).items()},
    }


# ---- timing -------------------------------------------------------------------------------------------------------


def milliseconds(work: Callable[[], object], rounds: int = ROUNDS) -> dict[str, float]:
    work()
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        work()
        times.append((time.perf_counter() - before) * 1000)
    times.sort()
    return {"p50_ms": round(times[len(times) // 2], 3), "p95_ms": round(times[int(len(times) * 0.95)], 3)}


def timings(rules: TaskRules, embed: Embed | None) -> dict[str, Any]:
    english = ("Compare the committee's plan for the new library with last year's, and say which is cheaper. " * 30)[
        :2000
    ]
    chinese = ("请比较这两个图书馆的建设方案，说明哪一个更便宜，并给出理由和具体的数据支持。" * 60)[:2000]
    code = ("def area(width, height):\n    return shapes[width].size(height, 2)\n\n" * 40)[:2000]
    found: dict[str, Any] = {}
    for name, text in (("english", english), ("chinese", chinese), ("code", code), ("english, 2 MB", english * 1000)):
        body = {"messages": [{"role": "user", "content": text}]}
        found[f"features, {name}"] = milliseconds(lambda body=body: features_of(body, tasks=rules))  # type: ignore[misc]
    long = english + " please"
    found["strict guard, two of 2,000 characters"] = milliseconds(lambda: strict(english, long))
    if embed:
        for size in (16, 64, 256):
            text = " ".join(["book"] * (size - 2))
            found[f"embedding, {size} tokens"] = milliseconds(lambda text=text: embed([text]))  # type: ignore[misc]
    return found


# ---- the whole ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Semantic:
    """What the semantic layer brings, where it is installed: vectors of texts, and L1 + L2's shares of the types."""

    embed: Embed
    judge: Judge
    process: Mapping[str, Any]  # what the semantic process costs


def measure(
    tasktype: Path | None, pairs: Path | None, rules: TaskRules, semantic: Semantic | None = None
) -> dict[str, Any]:
    embed = semantic.embed if semantic else None
    results: dict[str, Any] = {}
    if tasktype:
        found = evaldata.labelled(tasktype)
        results["L1"] = tasktype_figures(judged(found, lambda text: rules.guess(text).scores))
        if semantic:
            results["L1+L2"] = tasktype_figures(judged(found, semantic.judge))
    if pairs:
        results["guards"] = pair_figures(evaldata.pairs(pairs), embed)
    results["timing"] = timings(rules, embed)
    if semantic:
        results["semantic process"] = semantic.process
    results["aims"] = aims(results)
    return results


def aims(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of the issue's table beside what it asks for."""
    values: dict[str, float | None] = {}
    for layer in ("L1", "L1+L2"):
        if (found := results.get(layer)) and found["overall"]["n"]:
            values[f"{layer}.accuracy"] = found["overall"]["accuracy"]
            values[f"{layer}.macro_f1"] = found["overall"]["macro_f1"]
            values[f"{layer}.chinese"] = found["languages"].get("zh", {}).get("accuracy")
            values[f"{layer}.surest_50"] = found["surest_50"]["accuracy"]
            values[f"{layer}.surest_70"] = found["surest_70"]["accuracy"]
    if found := results.get("guards"):
        for guard in ("strict", "relaxed"):
            for name in ("hit", "wrong"):
                values[f"{guard}.{name}"] = found["overall"][f"{guard}_{name}"]
        values["strict.surface"] = found["surface"]["strict_hit"]
    timing = results["timing"]
    prompts = ("english", "chinese", "code")
    values["features_ms"] = max(timing[f"features, {name}"]["p50_ms"] for name in prompts)
    for size in (16, 64, 256):
        values[f"embed_{size}_ms"] = timing.get(f"embedding, {size} tokens", {}).get("p95_ms")
    process = results.get("semantic process", {})
    values["process_mb"], values["process_ready_s"] = process.get("rss_mb"), process.get("ready_s")
    return {
        name: {"value": value, "aim": str(AIMS[name]), "met": AIMS[name].met(value)}
        for name, value in values.items()
        if value is not None and name in AIMS
    }


@contextmanager
def semantic_layer(rules: TaskRules, model: Path | None) -> Iterator[Semantic | None]:
    """The semantic layer of this installation, a real process; None where it has none, with a line that says why."""
    found = model_folder(model)
    if isinstance(found, str):
        print(f"no L1 + L2, no embeddings: {found}", file=sys.stderr)
        yield None
        return
    with SemanticProcess(found) as process:
        yield Semantic(process.embed, lambda text: process.judge(rules, text), process.figures())


def print_results(results: Mapping[str, Any]) -> None:
    """The same for people."""
    for layer in ("L1", "L1+L2"):
        if layer in results:
            print_tasktype(layer, results[layer])
    if "guards" in results:
        print_guards(results["guards"])
    print("\ntiming" + " " * 44 + "p50 ms    p95 ms")
    for name, found in results["timing"].items():
        print(f"  {name:<46}{found['p50_ms']:>8.3f}{found['p95_ms']:>10.3f}")
    if process := results.get("semantic process"):
        print(f"\nsemantic process: ready after {process['ready_s']} s, {process['rss_mb']} MB; an ask over its socket")
        print(f"  {process['ask_p50_ms']} ms (p50), {process['ask_p95_ms']} ms (p95); the shipped categories' vectors,")
        print(f"  made once per model and then kept, took {process['categories_s']} s")
    if "chain" in results:
        chain.print_tables(results["chain"])
    chain.print_aims(results["aims"])


def print_tasktype(layer: str, found: Mapping[str, Any]) -> None:
    print(f"\ntask type, {layer:<41}{'n':>6}{'accuracy':>10}{'macro-F1':>10}")
    lines = [("all", found["overall"]), ("surest 50 %", found["surest_50"]), ("surest 70 %", found["surest_70"])]
    for title in ("languages", "sources", "types"):
        lines += [(f"{title[:-1]} {name}", some) for name, some in found[title].items()]
    for name, some in lines:
        print(f"  {name[:50]:<50}{some['n']:>6}{some['accuracy']:>10.3f}{some['macro_f1']:>10.3f}")
    print("  taken for:")
    for label, guesses in found["confusion"].items():
        wrong = ", ".join(f"{guess} {n}" for guess, n in guesses.items() if guess != label)
        print(f"    {label:<16}{guesses.get(label, 0):>4} right; {wrong or 'none wrong'}")


def print_guards(found: Mapping[str, Any]) -> None:
    print(f"\nguards; similarity {found['similarity']}")
    print(f"{'':<52}{'':>6}{'strict':>16}{'relaxed':>18}")
    print(f"{'':<52}{'n':>6}{'hit':>9}{'wrong':>8}{'hit':>10}{'wrong':>8}")
    lines = [("all", found["overall"]), ("surface variants", found["surface"])]
    for title in ("languages", "sources", "kinds"):
        lines += [(f"{title[:-1]} {name}", some) for name, some in found[title].items()]
    for name, some in lines:
        row = f"  {name[:50]:<50}{some['n']:>6}"
        for key, width in (("strict_hit", 9), ("strict_wrong", 8), ("relaxed_hit", 10), ("relaxed_wrong", 8)):
            row += f"{'-' if some[key] is None else format(some[key], '.4f'):>{width}}"
        print(row)


def existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasktype", type=Path, help="labelled prompts: text, label, lang, source")
    parser.add_argument("--pairs", type=Path, help="pairs of asks: a, b, same, kind, lang, source")
    parser.add_argument("--rules", type=Path, default=RULES, help="task-type rules (default: the shipped ones)")
    parser.add_argument("--model", type=Path, help="folder of a prepared embedding model")
    parser.add_argument("--no-embedder", action="store_true", help="leave L2 and embeddings out")
    parser.add_argument("--no-chain", action="store_true", help="leave the timing of the whole chain out")
    parser.add_argument("--json", action="store_true", help="for machines")
    args = parser.parse_args()
    for path in (args.tasktype, args.pairs):
        if path is not None and not path.exists():
            parser.error(f"there is no {path}")
    rules = TaskRules.of(json.loads(args.rules.read_text(encoding="utf-8")))
    shared = args.tasktype is None and args.pairs is None
    tasktype = existing(SHARED / "tasktype.jsonl") if shared else args.tasktype
    pairs = existing(SHARED / "cachepairs.jsonl") if shared else args.pairs
    if shared and not args.json:
        print("The shipped weights were fitted on these prompts too; fit_tasktype.py --hold-out leaves sources out.")
    with nullcontext() if args.no_embedder else semantic_layer(rules, args.model) as semantic:
        results = measure(tasktype, pairs, rules, semantic)
    model = None if args.no_chain or args.no_embedder else model_folder(args.model)
    if isinstance(model, Path) and (prompts := chain.prompts_of(tasktype, chain.MOST)):
        results["chain"] = chain.measure(model, prompts)
        results["aims"] |= results["chain"].pop("aims")
    if args.json:
        print(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        print_results(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
