# SPDX-License-Identifier: BSD-3-Clause
"""How often the planner picks the fastest algorithm: random layers, by every algorithm that it may choose.

python bench/picks.py                           300 layers, one thread, plans
python bench/picks.py --calls plain --threads 2 --write bench/results/x.json
python bench/picks.py --list                    the layers (see random_layers.py)
python bench/picks.py show FILE                 a result again, its table as Markdown

The algorithms take turns: a round times a block of calls of each, the next round in the opposite order; the
figure of an algorithm is the median over the rounds. The time of the pick is that of the algorithm that
"auto" chose, so that a right pick has exactly the time of the fastest. A plain call does not tell what it
chose: there "auto" is a candidate itself, and the difference of two measurements of one algorithm counts as
its loss. At the end each layer whose pick was more than 5% off is measured once more, with more rounds, and
the second measurement counts, for or against the pick: of 300 layers a few are off by noise alone.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cells
import npconv
from candidates import Problem
from figures import geometric_mean
from machine import ROOT, OtherWork, commit, describe, versions
from random_layers import Estimates, RandomLayer, automatic, random_layers
from tables import markdown, plain
from timing import block, warm

SEED, LAYERS = 2026, 300
ROUNDS, SECONDS = 7, 0.005
LEAST = 3  # calls of a block
AGAIN = 3  # times the rounds, where a pick was off
CLOSE, NEAR = 1.05, 1.25  # of the fastest
SCHEMA = "picks 1"

Calls = dict[str, Callable[[], object]]
Progress = Callable[[list[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Options:
    layers: int = LAYERS
    seed: int = SEED
    rounds: int = ROUNDS
    seconds: float = SECONDS
    threads: int = 1
    dtype: str = "float32"
    calls: str = "plan"


@dataclass(frozen=True)
class Pick:
    """A layer, measured; `pick` is a name in `seconds`, for plain calls "auto"."""

    layer: str
    macs: int
    pick: str
    seconds: dict[str, float]  # of a call
    estimates: Estimates  # explain()'s, of plans
    again: bool = False

    @property
    def fastest(self) -> str:
        """The pick where it is no slower than any other."""
        return min(self.seconds, key=lambda name: (self.seconds[name], name != self.pick))

    @property
    def ratio(self) -> float:
        return self.seconds[self.pick] / self.seconds[self.fastest]


def prepared(one: RandomLayer, options: Options) -> tuple[str, Calls, Estimates]:
    """The pick, the calls that are timed, and what the planner expected of them."""
    problem = Problem.of(one.layer, one.layout, options.dtype, options.threads, direct=False)
    arguments = problem.arguments() | one.arguments()
    make = partial(npconv.plan_conv, problem.x.shape, problem.w, **arguments)
    plan, y = make(), problem.new_output()
    estimates = automatic(plan.explain())
    if plan.algorithm not in estimates:
        raise SystemExit(f"{one.name}: explain() does not list {plan.algorithm} where it is looked for")
    if options.calls == "plain":
        function = partial(
            getattr(npconv, f"conv{one.layer.rank}d"), problem.x, problem.w, out=y, **arguments
        )
        return "auto", {name: partial(function, algorithm=name) for name in ("auto", *estimates)}, {}
    plans = {name: make(algorithm=name) for name in estimates}
    return plan.algorithm, {name: partial(p, problem.x, out=y) for name, p in plans.items()}, estimates


def interleaved(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float,
    of_rounds: Callable[[list[float]], float] = statistics.median,
) -> dict[str, float]:
    """Seconds of a call of each, in rounds."""
    counts = {name: max(LEAST, round(seconds / warm(call, seconds) / 2)) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for name in calls if number % 2 == 0 else reversed(calls):
                times[name].append(block(calls[name], counts[name], seconds))
    finally:
        gc.enable()
    return {name: of_rounds(seen) for name, seen in times.items()}


def measure(one: RandomLayer, options: Options) -> Pick:
    pick, calls, estimates = prepared(one, options)
    times = interleaved(calls, options.rounds, options.seconds)
    return Pick(one.name, one.macs, pick, times, estimates)


def measure_all(
    layers: Sequence[RandomLayer], options: Options, progress: Progress = lambda items: items
) -> list[Pick]:
    picks = [measure(one, options) for one in progress(list(layers))]
    longer = replace(options, rounds=AGAIN * options.rounds)
    for i in progress([i for i, pick in enumerate(picks) if pick.ratio > CLOSE]):
        picks[i] = replace(measure(layers[i], longer), again=True)
    return picks


@dataclass(frozen=True)
class Summary:
    close: int  # picks within 5% of the fastest
    near: int
    worst: Pick
    geomean: float  # of pick over fastest


def summary(picks: Sequence[Pick]) -> Summary:
    ratios = [pick.ratio for pick in picks]
    close, near = (sum(ratio <= limit for ratio in ratios) for limit in (CLOSE, NEAR))
    return Summary(close, near, max(picks, key=lambda pick: pick.ratio), geometric_mean(ratios))


def text(about: Mapping[str, Any], picks: Sequence[Pick], table: Callable[..., str]) -> str:
    """`table`: plain or markdown."""
    options, s, n = about["options"], summary(picks), len(picks)
    head = ["layer", "pick", "fastest", "ratio", "pick us", "fastest us", "estimate: pick", "of fastest"]
    misses = sorted((p for p in picks if p.ratio > CLOSE), key=lambda p: -p.ratio)
    count = f"{options['threads']} thread" + ("s" if options["threads"] > 1 else "")
    calls = {"plan": "plans", "plain": "plain calls"}[options["calls"]]
    lines = [
        f"{n} layers of seed {options['seed']}, {options['dtype']}, {calls}, {count}, {about['isa']}; "
        f"{about['machine']['cpu']}, {about['date'][:10]}, commit {about['commit']}; "
        f"other work had {about['other_work']:.0%} of the cores' time",
        "",
        f"- within {CLOSE - 1:.0%} of the fastest: {s.close / n:.1%} ({n - s.close} of {n} are not)",
        f"- within {NEAR:g} times its time: {s.near / n:.1%} ({n - s.near} are not)",
        f"- worst: {s.worst.ratio:.2f} ({s.worst.layer})",
        f"- pick over fastest, geometric mean: {s.geomean:.4f}",
        f"- measured again: {sum(p.again for p in picks)}",
        f"- fastest: {_counts(p.fastest for p in picks)}",
    ]
    lines[-1] += f"; picked: {_counts(p.pick for p in picks)}" if options["calls"] == "plan" else ""
    return "\n".join(lines + (["", table(head, [_row(p) for p in misses], left=3)] if misses else []))


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))


def _row(p: Pick) -> list[str]:
    both = p.pick, p.fastest
    times = [cells.us(p.seconds[name]) for name in both]
    known = [p.estimates.get(name) for name in both]
    return [p.layer, *both, f"{p.ratio:.2f}", *times, *("-" if e is None else f"{e:.0f}" for e in known)]


def save(about: Mapping[str, Any], picks: Sequence[Pick], path: Path) -> None:
    """JSON, a line for each layer."""
    rows = [
        asdict(p) | {"seconds": {name: float(f"{t:.5g}") for name, t in p.seconds.items()}} for p in picks
    ]
    lines = ",\n".join(" " + json.dumps(row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"schema": SCHEMA, **about})
    path.write_text(f'{{"about": {head},\n"picks": [\n{lines}\n]}}\n', encoding="utf-8")


def load(path: Path) -> tuple[dict[str, Any], list[Pick]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("about", {}).get("schema") != SCHEMA:
        raise SystemExit(f"{path} is not a result of picks.py")
    return data["about"], [Pick(**row) for row in data["picks"]]


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    if argv and argv[0] == "show":
        parser.add_argument("show", choices=("show",))
        parser.add_argument("file", type=Path)
        return parser.parse_args(argv)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="least length of a timed block")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--calls", default="plan", choices=("plan", "plain"))
    parser.add_argument("--list", action="store_true", help="print the layers, and stop")
    parser.add_argument(
        "--write", nargs="?", const="", metavar="JSON", help="keep the result here, or in bench/results"
    )
    args = parser.parse_args(argv)
    if min(args.layers, args.rounds, args.threads) < 1:
        parser.error("--layers, --rounds and --threads begin at 1")
    args.show = None
    return args


def main(argv: Sequence[str]) -> int:
    args = arguments(argv)
    if args.show:
        print(text(*load(args.file), markdown))
        return 0
    options = Options(**{name: getattr(args, name) for name in Options.__dataclass_fields__})
    layers = random_layers(options.layers, options.seed, options.dtype)
    if args.list:
        print(*(one.name for one in layers), sep="\n")
        return 0
    from tqdm import tqdm

    others = OtherWork()
    picks = measure_all(layers, options, partial(tqdm, disable=None, unit="layer"))
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    about = {
        "date": date,
        "commit": commit(),
        "machine": describe(),
        "versions": versions(),
        "isa": npconv._core._isa(),
        "options": asdict(options),
        "other_work": others.share(),
    }
    print(text(about, picks, plain))
    if args.write is not None:
        save(about, picks, Path(args.write) if args.write else _default_path(date, options))
    return 0


def _default_path(date: str, options: Options) -> Path:
    """Named by what is not the default."""
    parts = [date[:10], "picks"]
    parts += [options.dtype] if options.dtype != "float32" else []
    parts += ["plain"] if options.calls == "plain" else []
    parts += [f"{options.threads}-threads"] if options.threads > 1 else []
    return ROOT / "bench" / "results" / f"{'-'.join(parts)}.json"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
