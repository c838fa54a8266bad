# SPDX-License-Identifier: BSD-3-Clause
"""What a call costs beside its arithmetic: import, size of the wheel, plan and plain calls on a tiny input.

python bench/overhead.py [--wheel PATH]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import npconv
import numpy as np


def median_us(call: Callable[[], object], rounds: int = 41, calls: int = 500) -> float:
    """Median over the rounds of the mean time of a call, in microseconds."""
    means = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        means.append((time.perf_counter() - start) / calls * 1e6)
    return statistics.median(means)


def import_ms(statement: str) -> float:
    """Time of an import in a fresh interpreter, without the interpreter's own start."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(run.stdout) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="report the size of this wheel")
    args = parser.parse_args()

    pairs = [(import_ms("import numpy"), import_ms("import numpy, npconv")) for _ in range(21)]
    alone, both = (statistics.median(values) for values in zip(*pairs, strict=True))
    x = np.ones((1, 1, 8, 8), np.float32)
    w = np.ones((1, 1, 3, 3), np.float32)
    out = np.empty((1, 1, 6, 6), np.float32)
    plan = npconv.plan_conv(x.shape, w)
    pool = npconv.plan_max_pool(x.shape, 2)
    pooled = np.empty((1, 1, 4, 4), np.float32)
    rows = [  # what, value, unit, limit
        ("import npconv after numpy", both - alone, "ms", 30.0),
        ("plan(x), 1x1x8x8", median_us(lambda: plan(x)), "us", 3.0),
        ("plan(x, out=out), 1x1x8x8", median_us(lambda: plan(x, out=out)), "us", 3.0),
        ("conv2d(x, w), 1x1x8x8", median_us(lambda: npconv.conv2d(x, w)), "us", 12.0),
        ("plan_max_pool's plan(x), 1x1x8x8", median_us(lambda: pool(x)), "us", 1.0),
        ("the same with out=", median_us(lambda: pool(x, out=pooled)), "us", 1.0),
        ("max_pool2d(x, 2), 1x1x8x8", median_us(lambda: npconv.max_pool2d(x, 2)), "us", None),
        ("plan_conv(shape, w), 1x1x8x8", median_us(lambda: npconv.plan_conv(x.shape, w)), "us", None),
    ]
    if args.wheel:
        rows.append(("wheel", args.wheel.stat().st_size / 1e6, "MB", 2.0))
    beyond = False
    for what, value, unit, limit in rows:
        beyond = beyond or (limit is not None and value > limit)
        print(f"{what:<34} {value:6.2f} {unit}" + (f"  (limit {limit:g})" if limit is not None else ""))
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
