# SPDX-License-Identifier: BSD-3-Clause
"""A long run of random convolutions: python tests/fuzz.py --cases 200000 --seed 1 --processes 2

Every case is drawn from cases.py (two thirds on small integers, bit for bit, some with NaN and infinities;
the rest on real numbers, within the error bound), called in a random way and compared on every instruction
set of the machine. A failing case prints the line that reproduces it. Exit status 1 if any was wrong.
fuzz_gradients.py is the same for gradients and pooling.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import cases
import fuzzing
import numpy as np


def run_block(task: fuzzing.Task) -> fuzzing.Block:
    from npconv import _core

    seed, block = task.arguments.seed, task.first
    r = random.Random(f"{seed}/{block}")
    rng = np.random.default_rng([seed, block])
    ran: Counter[str] = Counter()
    failures = []
    for _ in range(task.size):
        data = r.choice((None, None, None, "nonfinite", "normal", "wide"))
        case = cases.random_case(r, None, data, inexact=r.random() < 0.1, macs=task.arguments.macs)
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
            task.note(f"check({case!r}{cases.Call(isa=isa, **how)})")
            try:
                cases.check(case, isa=isa, solution=solution, **how)
            except AssertionError as error:
                failures.append(str(error))
    return fuzzing.Block(task.size, ran, failures)


def main() -> int:
    assert __doc__ is not None
    parser = fuzzing.parser(__doc__.splitlines()[0])
    parser.add_argument("--macs", type=int, default=60_000, help="largest case, in multiplications")
    return fuzzing.run(run_block, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
