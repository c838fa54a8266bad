# SPDX-License-Identifier: BSD-3-Clause
"""What each kind of work costs on this machine: the rates of the planner's estimates (cpp/plan/work.hpp).

python bench/calibrate.py                         measure, fit, and print how well the fit holds
python bench/calibrate.py --write                 keep the measurements, and put the rates in work_rates.inc
python bench/calibrate.py fit FILE [--write]      fit measurements that were kept

Random layers (random_layers.py, other ones than picks.py has), those of networks and large ones are
timed by every algorithm that "auto" may choose, GEMM with lanes of channels and of pixels. The planner
counts the work of each; the time of a layer is taken for a sum of its counts, each times its rate. Rates
are never negative, and make the sum of the squared relative errors least; the tenth of the layers that
fits worst counts less. Times are in cycles of a core that multiplies as fast as the loop of fused
multiply-adds does, so that a machine that runs faster for a while gives the same rates.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import npconv
import numpy as np
from candidates import Problem
from layer_sets import SETS
from layers import Layer, conv
from machine import ROOT, OtherWork, commit, describe, versions
from peak import Peak
from picks import LAYERS, SEED, interleaved
from random_layers import RandomLayer, assert_disjoint, random_layers
from scipy.optimize import nnls

RATES = ROOT / "cpp" / "plan" / "work_rates.inc"
SCHEMA = "calibration 1"
SETS_TOO = (
    "resnet50",
    "vgg16",
    "winograd-more",
    "strided",
    "conv3d",
    "depthwise",
    "few-channels",
    "grouped",
    "sequences",
    "volumes",
)
UPDATE = "update_weights"
ALGORITHMS = (  # name of the sample, algorithm, lane
    ("gemm channel", "gemm", "channel"),
    ("gemm pixel", "gemm", "pixel"),
    ("depthwise channel", "depthwise", "channel"),
    ("depthwise pixel", "depthwise", "pixel"),
    ("direct", "direct", "automatic"),
    ("winograd", "winograd", "automatic"),
)
HOPELESS = 4.0  # times the fastest


def beyond_the_caches() -> tuple[Layer, ...]:
    """Inputs that come from memory, with few products of each value: random ones are mostly smaller."""
    kernels = [(1, 5), (5, 1), (3, 3), (2, 2)]
    return (
        *(conv(c, 16, n, k, stride=2) for c, n in [(72, 300), (200, 180), (400, 120)] for k in kernels),
        *(conv(c, 24, n, k) for c, n in [(56, 300), (160, 180), (300, 120)] for k in kernels),
        *(conv(c, 12, n, (1, 3), stride=3) for c, n in [(96, 260), (320, 150)]),
        *(conv(c, 16, (n,), k, stride=2) for c, n in [(240, 20000), (30, 150000)] for k in (3, 5)),
        *(conv(c, 8, n, 3, stride=2, rank=3) for c, n in [(40, 50), (120, 34)]),
    )


@dataclass(frozen=True)
class Sample:
    layer: str
    algorithm: str
    cycles: float
    work: dict[str, float]


def names_of_work() -> list[str]:
    return re.findall(r"//\s+(\w+)\n", RATES.read_text(encoding="utf-8").split("};")[0])


def layers(n: int, seed: int, dtype: str) -> list[RandomLayer]:
    judged = random_layers(LAYERS, SEED, dtype)
    chosen = random_layers(n, seed, dtype, but=judged)
    known = {one.layer for one in judged}
    for layer in (*(y for name in SETS_TOO for y in SETS[name].make()), *beyond_the_caches()):
        if layer not in known:
            chosen += [RandomLayer(layer, layout, "zeros") for layout in ("channels_first", "channels_last")]
    assert_disjoint(judged, chosen[:n])
    return chosen


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Samples:
    """Times layers; a cycle is the time of a vector multiplication, or of two where a core does two."""

    def __init__(self, dtype: str, rounds: int, seconds: float) -> None:
        self.dtype, self.rounds, self.seconds = dtype, rounds, seconds
        used = npconv._core._set_isa(npconv._core._isa_names()[0])  # the widest has a loop of multiply-adds
        try:
            self.peak = Peak(npconv._core._isa(), dtype)
            lanes = npconv._core._vector_bytes() // np.dtype(dtype).itemsize
            self.flops_per_cycle = 2 * lanes * npconv._core._products_per_cycle()
        finally:
            npconv._core._set_isa(used)

    def of(self, one: RandomLayer) -> list[Sample]:
        problem = Problem.of(one.layer, one.layout, self.dtype, 1, direct=False)
        make = partial(npconv.plan_conv, problem.x.shape, problem.w, **problem.arguments() | one.arguments())
        y = problem.new_output()
        calls, work = {}, {}
        for name, algorithm, lane in ALGORITHMS:
            if name == "gemm pixel" and one.layout == "channels_last":
                continue  # the planner does without
            try:
                npconv._core._set_lane(lane)
                plan = make(algorithm=algorithm)
            except ValueError:  # it cannot serve
                continue
            finally:
                npconv._core._set_lane("automatic")
            counted = plan._plan._work()
            if counted in [work[other] for other in work if other.startswith(algorithm)]:
                continue  # there is one lane for it
            calls[name], work[name] = partial(plan, problem.x, out=y), counted
            if name == "winograd":
                calls[UPDATE] = partial(plan.update_weights, problem.w)
                work[UPDATE] = plan._plan._work(packing=True)
        # What is far from the fastest is never chosen: it need not be estimated well.
        once = {name: min(timed(call) for _ in range(2)) for name, call in calls.items() if name != UPDATE}
        for name, seconds in once.items():
            if seconds > 3 * HOPELESS * min(once.values()):
                del calls[name]
        if "winograd" not in calls:
            calls.pop(UPDATE, None)
        times = interleaved(calls, self.rounds, self.seconds, min)  # other work only ever slows
        self.peak.run()
        clock = self.peak.gflops * 1e9 / self.flops_per_cycle
        most = HOPELESS * min(times[name] for name in calls if name != UPDATE)
        return [
            Sample(one.name, name, times[name] * clock, work[name]) for name in calls if times[name] <= most
        ]


def fit(samples: Sequence[Sample], names: Sequence[str]) -> dict[str, float]:
    """Rates of the kinds of work that there are samples of."""
    counts = np.array([[s.work.get(name, 0.0) for name in names] for s in samples])
    relative = counts / np.array([[s.cycles] for s in samples])
    weights, estimates = np.ones(len(samples)), np.ones(len(samples))
    for _ in range(10):
        scale = weights / np.sqrt(estimates)  # half as long and twice as long are as wrong
        rates, _ = nnls(relative * scale[:, None], scale, maxiter=100 * len(names))
        estimates = np.maximum(relative @ rates, 1e-3)
        errors = np.abs(np.log(estimates))
        weights = np.minimum(1, np.quantile(errors, 0.9) / np.maximum(errors, 1e-9))
    return {
        name: float(rate)
        for name, rate in zip(names, rates, strict=True)
        if counts[:, names.index(name)].any()
    }


def estimate(sample: Sample, rates: Mapping[str, float]) -> float:
    return sum(n * rates.get(name, 0.0) for name, n in sample.work.items())


def report(samples: Sequence[Sample], rates: Mapping[str, float]) -> str:
    lines = [f"{name:22} {rate:10.4g}" for name, rate in rates.items()]
    for algorithm in sorted({s.algorithm for s in samples}):
        ratios = [estimate(s, rates) / s.cycles for s in samples if s.algorithm == algorithm]
        spread = np.quantile(ratios, [0.05, 0.25, 0.5, 0.75, 0.95])
        lines.append(
            f"{algorithm:14} {len(ratios):4} estimates over measured: " + " ".join(f"{q:.2f}" for q in spread)
        )
    worst = sorted(samples, key=lambda s: -abs(np.log(max(estimate(s, rates), 1.0) / s.cycles)))[:12]
    lines += [f"  {estimate(s, rates) / s.cycles:5.2f}  {s.algorithm:14} {s.layer}" for s in worst]
    return "\n".join(lines)


def put_rates(rates: Mapping[str, float], row: str) -> None:
    """Into a row of work_rates.inc; kinds of work without samples keep what they have."""
    text = RATES.read_text(encoding="utf-8")
    begin = text.index(f"constexpr Rates {row} = {{")
    end = text.index("};", begin)
    body = text[begin:end]
    for name, rate in rates.items():
        body = re.sub(rf"[^\n]*// {name}\n", f"    {rate:.4g},  // {name}\n", body)
    RATES.write_text(text[:begin] + body + text[end:], encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("fit",))
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--layers", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.003, help="least length of a timed block")
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--isa", default=npconv._core._isa())
    parser.add_argument("--write", nargs="?", const="", metavar="JSON")
    args = parser.parse_args(argv)
    npconv._core._set_isa(args.isa)
    if args.command == "fit":
        data = json.loads(args.file.read_text(encoding="utf-8"))
        if data["about"].get("schema") != SCHEMA:
            raise SystemExit(f"{args.file} has no measurements of calibrate.py")
        about, samples = data["about"], [Sample(**row) for row in data["samples"]]
    else:
        about, samples = measured(args)
    rates = fit(samples, names_of_work())
    print(report(samples, rates))
    if args.write is not None:
        put_rates(rates, about["row"])
        if args.command != "fit":
            path = Path(args.write) if args.write else ROOT / "bench" / "results" / default_name(about)
            rows = ",\n".join(" " + json.dumps(asdict(s)) for s in samples)
            path.write_text(f'{{"about": {json.dumps(about)},\n"samples": [\n{rows}\n]}}\n', encoding="utf-8")
    return 0


def default_name(about: Mapping[str, Any]) -> str:
    return f"{about['date'][:10]}-calibration-{about['isa']}.json"


def measured(args: argparse.Namespace) -> tuple[dict[str, Any], list[Sample]]:
    from tqdm import tqdm

    others = OtherWork()
    timer = Samples(args.dtype, args.rounds, args.seconds)
    samples: list[Sample] = []
    for one in tqdm(layers(args.layers, args.seed, args.dtype), disable=None, unit="layer"):
        samples += timer.of(one)
    about = {
        "schema": SCHEMA,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": describe(),
        "versions": versions(),
        "isa": args.isa,
        "row": npconv._core._rates_name(),
        "options": {name: getattr(args, name) for name in ("layers", "seed", "rounds", "seconds", "dtype")},
        "other_work": others.share(),
    }
    return about, [
        Sample(s.layer, s.algorithm, round(s.cycles, 1), {k: float(f"{n:.6g}") for k, n in s.work.items()})
        for s in samples
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
