# SPDX-License-Identifier: BSD-3-Clause
"""Hash the results of thousands of problems, to show that a change of the inside changes no bit.

python tests/hash_results.py made FILE [--cases 3000] [--layers 300] [--seed 1]
python tests/hash_results.py compare OLD NEW

`made` writes one line a call: its hash, then the call. The calls are random ones of every operation
(gradient_calls.py), random convolutions with every argument (cases.py), and random layers up to hundreds of
millions of multiplications (bench/random_layers.py); convolutions by every algorithm, plain and by a plan;
each on every instruction set of the machine, on 1 and on 3 threads. An error is hashed as its message. Both
files must come from one machine and one version of NumPy. `compare` ends with 1 if a line differs.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cases
import gradient_calls
import npconv
import numpy as np
from fuzzing import progressed
from npconv import _core
from reference import Array

THREADS = (1, 3)
ALGORITHMS = ("auto", "gemm", "depthwise", "direct", "winograd", "winograd_f2", "winograd_f6", "naive")
NAIVE = 2_000_000  # multiplications, at most, of what the definition computes

Run = Callable[[int], Any]  # of the number of threads


def digest(run: Run, threads: int) -> str:
    try:
        results = run(threads)
    except (ValueError, TypeError, MemoryError) as error:
        return hashlib.sha1(f"{type(error).__name__}: {error}".encode()).hexdigest()
    made = hashlib.sha1()
    for y in results if isinstance(results, tuple) else (results,):
        made.update(f"{y.dtype} {y.shape}".encode())
        made.update(np.ascontiguousarray(y).tobytes())
    return made.hexdigest()


def convolutions(
    x: Array, w: Array, more: dict[str, Any], residual: Array | None, rank: int, macs: int
) -> Iterator[tuple[str, Run]]:
    """A convolution by every algorithm, plain and by a plan."""
    function = getattr(npconv, f"conv{rank}d")
    for algorithm in ALGORITHMS:
        if algorithm == "naive" and macs > NAIVE:
            continue

        def plain(threads: int, by: str = algorithm) -> Any:
            return function(x, w, residual=residual, algorithm=by, num_threads=threads, **more)

        def planned(threads: int, by: str = algorithm) -> Any:
            plan = npconv.plan_conv(x.shape, w, algorithm=by, num_threads=threads, **more)
            return plan(x, residual=residual)

        yield f"by {algorithm}", plain
        if not (rank == 3 and w.ndim == 3):  # which a plan reads as one axis and channels
            yield f"planned by {algorithm}", planned


def random_convolution(seed: str) -> Iterator[tuple[str, Run]]:
    r = random.Random(seed)
    data = r.choice(("normal", "normal", "wide", "nonfinite"))
    draw = r.choice(
        (cases.random_case, cases.random_case, cases.random_depthwise_case, cases.random_direct_case)
    )
    case = draw(r, None, data=data, inexact=True, macs=r.choice((60_000, 3_000_000)))
    dtype, layout = r.choice(cases.DTYPES), r.choice(cases.LAYOUTS)

    def laid(a: Array | None) -> Any:
        if a is None:
            return None
        a = a.astype(dtype)
        return a if layout == "channels_first" or case.single else np.moveaxis(a, -1 - case.rank, -1)

    x, w, bias, residual = cases.arrays(case)
    more = case.keywords | {"layout": layout, "bias": None if bias is None else bias.astype(dtype)}
    for name, run in convolutions(laid(x), w.astype(dtype), more, laid(residual), case.rank, case.macs):
        yield f"{case!r} {dtype} {layout} {name}", run


def random_call(seed: str) -> Iterator[tuple[str, Run]]:
    call = gradient_calls.draw(seed)
    operands = list(call.operands.values())

    def run(threads: int) -> Any:
        return call.function(*operands, **({"num_threads": threads} if call.takes_threads else {}))

    yield call.text, run


def random_layer(number: int, layers: list[Any]) -> Iterator[tuple[str, Run]]:
    one = layers[number]
    rng = np.random.default_rng([number, 9])
    dtype = "float32" if number % 4 else "float64"
    x = rng.standard_normal(one.layer.x_shape(one.layout)).astype(dtype)
    w = rng.standard_normal(one.layer.weight_shape).astype(dtype)
    for name, run in convolutions(x, w, one.arguments(), None, len(one.layer.size), one.macs):
        yield f"{one.name} {dtype} {name}", run


def problems(arguments: argparse.Namespace) -> Iterator[Iterator[tuple[str, Run]]]:
    sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
    from random_layers import random_layers

    for number in range(arguments.cases):
        yield random_call(f"{arguments.seed}/{number}")
        yield random_convolution(f"{arguments.seed}/{number}")
    layers = random_layers(arguments.layers, arguments.seed, least=0)
    for number in range(len(layers)):
        yield random_layer(number, layers)


def made(arguments: argparse.Namespace) -> int:
    total = 2 * arguments.cases + arguments.layers
    with open(arguments.file, "w", encoding="utf-8") as file:
        for problem in progressed(problems(arguments), total):
            for text, run in problem:
                for isa in _core._isa_names():
                    with cases.forced(isa):
                        for threads in THREADS:
                            print(digest(run, threads), isa, threads, text, file=file)
    return 0


def compare(arguments: argparse.Namespace) -> int:
    old, new = (
        Path(name).read_text(encoding="utf-8").splitlines() for name in (arguments.old, arguments.new)
    )
    differ = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    for a, b in differ[:20]:
        print(f"- {a}\n+ {b}")
    print(f"{len(old)} and {len(new)} calls, {len(differ)} differ")
    return 1 if differ or len(old) != len(new) or not old else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("made")
    making.add_argument("file")
    making.add_argument("--cases", type=int, default=3000)
    making.add_argument("--layers", type=int, default=300)
    making.add_argument("--seed", type=int, default=1)
    making.set_defaults(run=made)
    comparing = commands.add_parser("compare")
    comparing.add_argument("old")
    comparing.add_argument("new")
    comparing.set_defaults(run=compare)
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
