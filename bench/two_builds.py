# SPDX-License-Identifier: BSD-3-Clause
"""Two builds of npconv side by side, layer by layer, in turn: did a change cost time?

python bench/two_builds.py OLD NEW [--sets resnet50 transposed pooling ...] [--threads 1 2]

OLD and NEW are folders with a built package `npconv` in them. Each build has a process of its own; the two
measure in turn, never at once, and the least time of all rounds counts. Layers slower by more than 3%
are looked at again at the end. NPCONV_ISA works as elsewhere.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# A pass over networks, depthwise, sequences, volumes, transposed, gradients and pooling.
SHORT = ["resnet50", "vgg16", "mobilenetv2", "depthwise", "sequences", "volumes", "few-channels", "grouped"]
SHORT += ["strided", "transposed", "resnet50-input-grad", "resnet50-weight-grad", "depthwise-input-grad"]
SHORT += ["depthwise-weight-grad", "pooling"]
LIMIT = 1.03
LAYOUTS = ("channels_first", "channels_last")


@dataclass(frozen=True)
class Case:
    """A layer of a set, by its number."""

    set: str
    number: int
    layout: str
    threads: int


def layers_of(name: str) -> Any:
    from adjoint_layers import ADJOINT_SETS
    from layer_sets import SETS
    from pool_layers import POOL_SETS

    return (SETS | ADJOINT_SETS | POOL_SETS)[name].make()


def call_of(case: Case) -> Callable[[], object]:
    """The call of npconv to be timed, made ready."""
    import adjoint_candidates
    import candidates
    import pool_candidates
    from adjoint_layers import AdjointLayer
    from pool_layers import PoolLayer

    layer = layers_of(case.set)[case.number]
    if isinstance(layer, AdjointLayer):
        adjoint = adjoint_candidates.AdjointProblem.of(layer, case.layout, case.threads)
        return adjoint_candidates.ours(adjoint).call
    if isinstance(layer, PoolLayer):
        pool = pool_candidates.PoolProblem.of(layer, case.layout, case.threads)
        return pool_candidates.ours(pool).call
    import npconv

    problem = candidates.Problem.of(layer, case.layout, "float32", case.threads, direct=False)
    plan, y = npconv.plan_conv(problem.x.shape, problem.w, **problem.arguments()), problem.new_output()
    return lambda: plan(problem.x, out=y)


def least_time(call: Callable[[], object], seconds: float) -> float:
    best, end = math.inf, time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best


def work() -> None:
    """A worker: reads a case, or a number of seconds to measure the last one for; answers a line each."""
    call: Callable[[], object] = lambda: None  # noqa: E731
    cores = os.sched_getaffinity(0)
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, dict):
            os.sched_setaffinity(0, set(sorted(cores)[: asked["threads"]]))  # the same for both builds
            try:
                call = call_of(Case(**asked))
                call()
                answer: Any = True
            except (AttributeError, ValueError, TypeError) as error:
                answer = f"{type(error).__name__}: {error}"
        else:
            answer = least_time(call, asked)
        print(json.dumps(answer), flush=True)


class Build:
    def __init__(self, package: str) -> None:
        paths = os.pathsep.join([package, str(HERE)])
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            env=os.environ | {"PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(what), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


def ratio(builds: list[Build], case: Case, rounds: int, seconds: float) -> float | None:
    """New time over old; None where a build has no such call.

    Each round makes the arrays and plans anew: which pages they get can change a time by half.
    """
    best = [math.inf, math.inf]
    for _ in range(rounds):
        for i, build in enumerate(builds):
            if build.ask(vars(case)) is not True:
                return None
            best[i] = min(best[i], build.ask(seconds))
    return best[1] / best[0]


def cases_of(name: str, threads: list[int]) -> Iterator[Case]:
    for number in range(len(layers_of(name))):
        for layout in LAYOUTS:
            for n in threads:
                yield Case(name, number, layout, n)


def named(case: Case) -> str:
    layer = layers_of(case.set)[case.number]
    return f"{case.set}: {layer.name}, {case.layout}, {case.threads} thread(s)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("builds", nargs="*", metavar="OLD NEW")
    parser.add_argument("--sets", nargs="+", default=SHORT)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.02, help="of a measurement")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work()
        return
    if len(args.builds) != 2:
        parser.error("two builds are needed, OLD and NEW")
    sys.path[:0] = [str(HERE), args.builds[1]]
    builds = [Build(package) for package in args.builds]
    slow: list[Case] = []
    for name in args.sets:
        found = {
            case: ratio(builds, case, args.rounds, args.seconds) for case in cases_of(name, args.threads)
        }
        for n in args.threads:
            ratios = {c: r for c, r in found.items() if r is not None and c.threads == n}
            if not ratios:
                continue
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            print(f"{name:24} {n} thread(s): {len(ratios):3} layers, new / old {mean:.3f}", flush=True)
            slow += [case for case, r in ratios.items() if r > LIMIT]
    print(f"{len(slow)} measurements above {LIMIT}; a second look, of those that stay there:")
    for case in slow:
        again = ratio(builds, case, 3 * args.rounds, 3 * args.seconds)
        if again is not None and again > LIMIT:
            print(f"  {again:.3f}  {named(case)}")


if __name__ == "__main__":
    main()
