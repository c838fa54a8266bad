# SPDX-License-Identifier: BSD-3-Clause
"""A long run of random cases: python tests/fuzz.py --cases 200000 --seed 1 --processes 2

Every case is drawn from cases.py (two thirds on small integers, bit for bit, some with NaN and infinities;
the rest on real numbers, within the error bound), called in a random way and compared on every instruction
set of the machine. A failing case prints the line that reproduces it. Exit status 1 if any was wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cases
import numpy as np

BLOCK = 100  # cases a task
SHOWN = 20  # failures printed


def run_block(task: tuple[int, int, int, int, bool]) -> tuple[int, Counter[str], list[str]]:
    """(number of cases, comparisons per instruction set, failures) of one block of `size` cases."""
    seed, block, size, macs, trace = task
    from npconv import _core

    r = random.Random(f"{seed}/{block}")
    rng = np.random.default_rng([seed, block])
    ran: Counter[str] = Counter()
    failures = []
    for _ in range(size):
        data = r.choice((None, None, None, "nonfinite", "normal", "wide"))
        case = cases.random_case(r, None, data, inexact=r.random() < 0.1, macs=macs)
        how: dict[str, Any] = cases.ways(rng, case)
        how |= {"dtype": r.choice(cases.DTYPES), "layout": r.choice(cases.LAYOUTS)}
        how["algorithm"] = r.choice(("gemm", "gemm", "gemm", "gemm", "auto", "naive"))
        if 0 < case.cout // case.groups <= 8 and case.cin and r.random() < 0.5:
            how["algorithm"] = "direct"
        if case.cin == case.groups and case.cin and r.random() < 0.5:
            how["algorithm"] = "depthwise"
        how["threads"] = r.choice((None, 1, 1, 2, 3, 7))
        solution = cases.solve(case, how["dtype"])
        for isa in _core._isa_names():
            ran[isa] += 1
            if trace:
                print(f"check({case!r}{cases.Call(isa=isa, **how)})", file=sys.stderr, flush=True)
            try:
                cases.check(case, isa=isa, solution=solution, **how)
            except AssertionError as error:
                failures.append(str(error))
    return size, ran, failures


def progress(results: Iterable[Any], total: int) -> Iterator[Any]:
    """`results` behind a progress bar over `total` cases: tqdm's where it is installed, else a percentage."""
    try:
        from tqdm import tqdm
    except ImportError:
        done, shown = 0, -1
        for result in results:
            done += result[0]
            if done * 100 // total > shown:
                shown = done * 100 // total
                print(f"\r{shown:3d}% ({done} of {total} cases)", end="", file=sys.stderr, flush=True)
            yield result
        print(file=sys.stderr)
        return
    with tqdm(total=total, unit="case") as bar:
        for result in results:
            bar.update(result[0])
            yield result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--macs", type=int, default=60_000, help="largest case, in multiplications")
    parser.add_argument("--trace", action="store_true", help="print every case before it runs")
    arguments = parser.parse_args()

    start = time.perf_counter()
    tasks = [
        (arguments.seed, at, min(BLOCK, arguments.cases - at), arguments.macs, arguments.trace)
        for at in range(0, arguments.cases, BLOCK)
    ]
    ran: Counter[str] = Counter()
    wrong = 0
    # spawn: each process imports npconv afresh, whatever threads this one has
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, mp_context=spawn) as pool:
        try:
            for _, block_ran, failures in progress(pool.map(run_block, tasks), arguments.cases):
                ran.update(block_ran)
                wrong += len(failures)
                for failure in failures[: max(0, SHOWN - wrong + len(failures))]:
                    print(f"\n{failure}", flush=True)
        except BrokenProcessPool:
            print("\na process crashed: --trace shows the case, as the last one printed", flush=True)
            wrong += 1
    seconds = time.perf_counter() - start
    figures = ", ".join(f"{isa} {count}" for isa, count in sorted(ran.items()))
    print(f"cases per instruction set: {figures}; wrong: {wrong}; seed {arguments.seed}; {seconds:.0f} s")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
