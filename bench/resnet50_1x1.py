# SPDX-License-Identifier: BSD-3-Clause
"""How close the 1x1 convolutions of ResNet-50 come to the FMA peak: plans, float32, batch 1, one thread.

python bench/resnet50_1x1.py [--isa avx2] [--layout channels_last] [--dtype float64]
"""

from __future__ import annotations

import argparse
import time

import npconv
import numpy as np
from peak import Peak

# input channels, output channels, height = width of the input, stride
LAYERS = [
    (64, 64, 56, 1), (64, 256, 56, 1), (256, 64, 56, 1), (256, 128, 56, 1), (256, 512, 56, 2),
    (128, 512, 28, 1), (512, 128, 28, 1), (512, 256, 28, 1), (512, 1024, 28, 2), (256, 1024, 14, 1),
    (1024, 256, 14, 1), (1024, 512, 14, 1), (1024, 2048, 14, 2), (512, 2048, 7, 1), (2048, 512, 7, 1),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isa", default=npconv.show_config("dict")["isa"])
    parser.add_argument("--layout", default="channels_first")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    npconv._core._set_isa(args.isa)
    rng = np.random.default_rng(0)
    peak = Peak(args.isa, {"float32": "f32", "float64": "f64"}[args.dtype])
    rows = []
    for c, o, size, stride in LAYERS:
        w = rng.standard_normal((o, c, 1, 1)).astype(args.dtype)
        shape = (1, c, size, size) if args.layout == "channels_first" else (1, size, size, c)
        x = rng.standard_normal(shape).astype(args.dtype)
        plan = npconv.plan_conv(shape, w, stride=stride, layout=args.layout, num_threads=args.threads)
        y = plan(x)
        times = []
        end = time.perf_counter() + 0.4
        while time.perf_counter() < end or len(times) < 7:
            peak.run()
            plan(x, out=y)
            start = time.perf_counter()
            plan(x, out=y)
            times.append(time.perf_counter() - start)
        rows.append((f"{c} -> {o} at {size}, stride {stride}", np.median(times), plan.flops))
    how = f"{args.isa}, {args.dtype}, {args.layout}, {args.threads} thread(s)"
    print(f"FMA peak {peak.gflops:.1f} GFLOP/s a core ({how})")
    for name, seconds, flops in rows:
        gflops = flops / seconds * 1e-9
        share = gflops / peak.gflops / args.threads
        print(f"{name:<28} {seconds * 1e6:8.0f} us  {gflops:6.1f} GFLOP/s  {share:5.1%}")


if __name__ == "__main__":
    main()
