# SPDX-License-Identifier: BSD-3-Clause
"""A long run of random gradients and poolings: python tests/fuzz_gradients.py --cases 200000 --seed 1

Every call is drawn by gradient_calls.py: all gradients, pooling, transposed convolution, unfold, fold and
unpooling, sizes often 1, each operand in memory of an arrangement of its own, all memory against guard pages.
It is compared on every instruction set of the machine. A failing call prints the line that reproduces it.
Exit status 1 if any was wrong.

--only 1/17 is case 17 of seed 1 alone. --plain-memory is without guard pages, for a sanitizer that watches
the heap.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import fuzzing
import gradient_calls


def run_case(
    seed: str, arguments: argparse.Namespace, note: fuzzing.Task | None
) -> tuple[Counter[str], list[str]]:
    """(comparisons per instruction set, failures) of one call, which is drawn and solved once for all."""
    from npconv import _core

    call = gradient_calls.draw(seed)
    way = gradient_calls.draw_way(seed, call, not arguments.plain_memory)
    ran: Counter[str] = Counter()
    failures = []
    for isa in [arguments.isa] if arguments.isa else _core._isa_names():
        line = gradient_calls.described(seed, call, way, isa)
        if note:
            note.note(line)
        problem = gradient_calls.check(call, way, isa)
        ran[isa] += 1
        if problem:
            failures.append(f"{problem}\n    {line}")
    return ran, failures


def run_block(task: fuzzing.Task) -> fuzzing.Block:
    ran: Counter[str] = Counter()
    failures: list[str] = []
    for number in range(task.first, task.first + task.size):
        case_ran, case_failures = run_case(f"{task.arguments.seed}/{number}", task.arguments, task)
        ran.update(case_ran)
        failures += case_failures
    return fuzzing.Block(task.size, ran, failures)


def main() -> int:
    assert __doc__ is not None
    parser = fuzzing.parser(__doc__.splitlines()[0])
    parser.add_argument("--only", help="one case, as a failure names it: SEED/NUMBER")
    parser.add_argument("--isa", help="one instruction set alone")
    parser.add_argument("--plain-memory", action="store_true", help="without guard pages")
    arguments = parser.parse_args()
    if not arguments.only:
        return fuzzing.run(run_block, arguments)
    ran, failures = run_case(arguments.only, arguments, None)
    print("\n".join([*failures, f"{ran.total()} calls, wrong: {len(failures)}"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
