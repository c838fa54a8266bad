# SPDX-License-Identifier: BSD-3-Clause
"""A depthwise and a 1x1 convolution as one call against two: the pairs of MobileNet-V2.

python bench/separable.py [--threads N] [--runs 3] [--json FILE]

Plans with their output arrays, in turn, round after round: the separable plan, and the two plans one after
the other. ratio: time of the one over that of the two; below 1 it saves. A ratio is that of the medians over
the rounds; of several runs the middle one is shown, and all are kept.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import npconv
import numpy as np
from candidates import Array, aligned
from layer_sets import in_order_of_mobilenetv2
from layers import Layer, conv
from machine import OtherWork, commit, describe, versions
from picks import interleaved
from timing import FULL_ROUNDS, FULL_SECONDS

LAYOUTS = ("channels_first", "channels_last")


def pairs() -> list[tuple[Layer, int]]:
    """Each depthwise layer, and the output channels of the 1x1 layer behind it."""
    layers = in_order_of_mobilenetv2()
    return list(dict.fromkeys((one, two.o) for one, two in pairwise(layers) if one.depthwise))


def random(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    a = aligned(shape, "float32")
    a[...] = rng.standard_normal(shape)
    return a


def calls_of(layer: Layer, out: int, layout: str, threads: int) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(1)
    x, z, y = (
        random(one.x_shape(layout), rng)
        for one in (layer, conv(layer.o, out, layer.output_size, 1), conv(out, out, layer.output_size, 1))
    )
    depthwise_w, pointwise_w = random(layer.weight_shape, rng), random((out, layer.o, 1, 1), rng)
    how: dict[str, Any] = {"layout": layout, "num_threads": threads}
    one = npconv.plan_separable_conv2d(
        x.shape, depthwise_w, pointwise_w, stride=layer.stride, padding=layer.padding,
        depthwise_activation="relu6", **how,
    )  # fmt: skip
    first = npconv.plan_conv(x.shape, depthwise_w, activation="relu6", **layer.arguments(), **how)
    second = npconv.plan_conv(z.shape, pointwise_w, **how)

    def two() -> None:
        first(x, out=z)
        second(z, out=y)

    return {"separable": partial(one, x, out=y), "two plans": two}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    other = OtherWork()
    rows = []
    print(f"{'depthwise':26} {'1x1':>11}  layout          separable us  two plans us  ratio  (runs)")
    for layer, out in pairs():
        for layout in LAYOUTS:
            times = [
                interleaved(calls_of(layer, out, layout, options.threads), FULL_ROUNDS, FULL_SECONDS)
                for _ in range(options.runs)
            ]
            ratios = [t["separable"] / t["two plans"] for t in times]
            middle = sorted(range(len(ratios)), key=ratios.__getitem__)[len(ratios) // 2]
            one, two = (times[middle][name] * 1e6 for name in ("separable", "two plans"))
            said = " ".join(f"{r:.2f}" for r in ratios)
            print(
                f"{layer.name:26} {layer.o:>5}->{out:<4}  {layout}  {one:12.1f}  {two:12.1f}  "
                f"{ratios[middle]:5.2f}  ({said})",
                flush=True,
            )
            rows.append(
                {"layer": layer.name, "out": out, "layout": layout, "times": times, "ratio": ratios[middle]}
            )
    for layout in LAYOUTS:
        of_layout = [row["ratio"] for row in rows if row["layout"] == layout]
        mean = statistics.geometric_mean(of_layout)
        print(f"{layout}: geometric mean {mean:.3f}, highest {max(of_layout):.2f}")
    if options.json:
        result = {
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": describe(),
            "versions": versions(),
            "threads": options.threads,
            "runs": options.runs,
            "other_work": other.share(),
            "pairs": rows,
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
