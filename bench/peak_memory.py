# SPDX-License-Identifier: BSD-3-Clause
"""The peak memory of every public function and gradient on operands of 256 MB, beyond operands and result.

python bench/peak_memory.py [PART ...]    those whose name or argument contains a PART; all without one

Each call runs in a process of its own, on one thread, after a small call of the same function. Its peak is
VmHWM from then on less VmRSS before; the promise is 6 MB of workspace (8 MB for weight gradients), and packed
weights where a plan has them; 2 MB are allowed for pages and arenas. Ends with 1 if a call takes more.
"""

from __future__ import annotations

import inspect
import subprocess
import sys

import npconv
from npconv import grad

ALLOWED = 2.0  # MB
PRELUDE = """
import sys
import numpy as np
import npconv
from npconv import grad
npconv.set_num_threads(1)
def status(key):
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) / 1000 * 1.024 for line in lines if line.startswith(key))
M = 1 << 20
image = np.ones((1, 8192, 8192), np.float32)
row = image.reshape(1, -1)
column = row.reshape(-1, 1)
volume = image.reshape(1, 256, 512, 512)
deep = image.reshape(1, 64, 1024, 1024)
last = image.reshape(1, 1024, 1024, 64)
out = {out}
small = np.ones((1, 64, 64), np.float32)
def w(*shape): return np.ones(shape, np.float32)
def first():
    {small}
def call():
    return {call}
{setup}
first()
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
result = call()
results = result if isinstance(result, tuple) else (result,)
peak = status("VmHWM") - before
new = 0
for r in results:
    # A result that the call has made; what is written to `out` was there before.
    if isinstance(r, np.ndarray) and r is not out: new += r.nbytes / 1e6
print(peak - new)
"""
SMALL_POOL = "npconv.avg_pool2d(small, 3); npconv.lp_pool2d(small, 2, 3)"
SMALL_CONV = "npconv.conv2d(small, w(1, 1, 3, 3))"

# function, what x is, call, promise in MB, setup, out
Row = tuple[str, str, str, float, str, str]


def pooling() -> list[Row]:
    rows: list[Row] = []
    arguments = {
        "image": [
            "3, stride=1, padding=1",
            "2",
            "(1, 1000), stride=1",
            "31, stride=1, padding=15",
            "3, stride=1, dilation=1000",
        ],
        "row": [
            "M, stride=1",
            "M, stride=M // 2",
            "300_000, stride=2",
            "3, stride=M",
            "3, stride=1, dilation=M",
            "3, stride=1000, dilation=M",
            "3, stride=1, padding=1",
            "50, stride=1, dilation=M",
        ],
        "column": ["(M, 1), stride=(1, 1)", "(3, 1), stride=(M, 1)"],
        "volume": ["3, stride=1, padding=1", "(3, 100, 100), stride=(1, 7, 9)"],
        "last": [
            "3, stride=1, padding=1, layout='channels_last'",
            "(1, 500), stride=1, layout='channels_last'",
        ],
        "image.T[None, ..., 0]": ["3, stride=1, padding=1"],
    }
    ranks = {"row": 1, "volume": 3}
    for x, many in arguments.items():
        rank = ranks.get(x, 2)
        source = {"column": "column[None]"}.get(x, x)
        for how in many:
            if x == "image.T[None, ..., 0]":
                source = "image.transpose(0, 2, 1)"
            for name, kinds in (
                ("max", ["", ", return_indices=True"]),
                ("avg", ["", ", count_include_pad=False"]),
                ("min", ["", ", return_indices=True"]),
                ("lp", [""]),
            ):
                for more in kinds:
                    if "count" in more and "padding" not in how:
                        continue
                    given = f"2, {how}" if name == "lp" else how
                    call = f"npconv.{name}_pool{rank}d({source}, {given}{more})"
                    rows.append((f"{name}_pool{rank}d", source, call, 6, "", "None"))
            for name in ("avg", "lp"):
                given = f"{source}.shape, {how}" if name == "avg" else f"{source}, 2, {how}"
                setup = f"g = npconv.avg_pool{rank}d({source}, {how})"
                rows.append(
                    (
                        f"grad.{name}_pool{rank}d",
                        source,
                        f"grad.{name}_pool{rank}d(g, {given})",
                        6,
                        setup,
                        "None",
                    )
                )
    quarter = "v = np.ones((1, 4096, 4096), np.float32); i = np.zeros(v.shape, np.int64)"
    turned = "v = np.ones((4096, 4096, 1), np.float32).T; i = np.zeros((4096, 4096, 1), np.int64).T"
    for setup in (quarter, turned):
        rows += [
            ("max_unpool2d", "image", "npconv.max_unpool2d(v, i, 2)", 6, setup, "None"),
            ("grad.max_pool2d", "image", "grad.max_pool2d(v, i, image.shape)", 6, setup, "None"),
            (
                "grad.max_unpool2d",
                "image",
                "grad.max_unpool2d(image.transpose(0, 2, 1), i)",
                6,
                setup,
                "None",
            ),
        ]
    for size in ("(7, 5)", "3000", "1", "(8192, 1000)"):
        rows += [
            ("adaptive_avg_pool2d", "image", f"npconv.adaptive_avg_pool2d(image, {size})", 6, "", "None"),
            (
                "adaptive_max_pool2d",
                "image",
                f"npconv.adaptive_max_pool2d(image, {size}, return_indices=True)",
                6,
                "",
                "None",
            ),
            (
                "grad.adaptive_avg_pool2d",
                "image",
                "grad.adaptive_avg_pool2d(g, image.shape)",
                6,
                f"g = npconv.adaptive_avg_pool2d(image, {size})",
                "None",
            ),
        ]
    for source, layout in (
        ("image", "channels_first"),
        ("last", "channels_last"),
        ("row.reshape(1, -1, 1, 1)", "channels_first"),
    ):
        how = f"layout='{layout}'"
        rows += [
            ("global_avg_pool2d", source, f"npconv.global_avg_pool2d({source}, {how})", 6, "", "None"),
            ("global_max_pool2d", source, f"npconv.global_max_pool2d({source}, {how})", 6, "", "None"),
            (
                "grad.global_avg_pool2d",
                source,
                f"grad.global_avg_pool2d(g, {source}.shape, {how})",
                6,
                f"g = npconv.global_avg_pool2d({source}, {how})",
                "None",
            ),
            (
                "grad.global_max_pool2d",
                source,
                f"grad.global_max_pool2d(g, {source}, {how})",
                6,
                f"g = npconv.global_avg_pool2d({source}, {how})",
                "None",
            ),
        ]
    columns = "c = image.reshape(1, 4, -1)"
    rows += [
        ("unfold2d", "image", "npconv.unfold2d(image, 2, stride=2)", 6, "", "None"),
        ("unfold1d", "row", "npconv.unfold1d(row, 2, stride=4, dilation=M)", 6, "", "None"),
        ("fold2d", "columns", "npconv.fold2d(c, (8192, 8192), 2, stride=2)", 6, columns, "None"),
        ("fold2d", "columns", "npconv.fold2d(c[..., ::-1], (8192, 8192), 2, stride=2)", 6, columns, "None"),
    ]
    return rows


def convolutions() -> list[Row]:
    rows: list[Row] = []
    for x, kernel, how in (
        ("image[None]", "w(1, 1, 3, 3)", "padding=1"),
        ("image[None]", "w(1, 1, 31, 31)", "padding=15"),
        ("image[None]", "w(1, 1, 3, 3)", "dilation=1000"),
        ("image[None]", "w(1, 1, 3, 3)", "stride=1000"),
        ("deep", "w(64, 64, 3, 3)", "padding=1"),
        ("deep", "w(64, 1, 3, 3)", "padding=1, groups=64"),
        ("last", "w(64, 64, 3, 3)", "padding=1, layout='channels_last'"),
        ("image.transpose(0, 2, 1)[None]", "w(1, 1, 3, 3)", "padding=1"),
    ):
        rows.append(("conv2d", x, f"npconv.conv2d({x}, {kernel}, {how})", 6, "", "None"))
        plan = f"plan = npconv.plan_conv({x}.shape, {kernel}, {how})"
        rows.append(("plan_conv", x, f"plan({x}) # {kernel}, {how}", 6, plan, "None"))
        setup = f"g = npconv.conv2d({x}, {kernel}, {how})"
        rows.append(
            ("grad.conv2d_input", x, f"grad.conv2d_input({x}.shape, {kernel}, g, {how})", 6, setup, "None")
        )
        rows.append(
            (
                "grad.conv2d_weight",
                x,
                f"grad.conv2d_weight({x}, {kernel}.shape, g, {how})",
                8,
                setup,
                "None",
            )
        )
    for kernel, how in (
        ("w(1, 1, M)", "stride=M // 64"),
        ("w(1, 1, 3)", "stride=M"),
        ("w(1, 1, 3)", "dilation=M"),
        ("w(4, 1, 1001)", "stride=16"),
    ):
        rows.append(("conv1d", "row", f"npconv.conv1d(row[None], {kernel}, {how})", 6, "", "None"))
    small = "image[None, :, :2048, :2048].copy()"
    for kernel, how in (
        ("w(1, 1, 3, 3)", "padding=1"),
        ("w(1, 1, 2, 2)", "stride=2"),
        ("w(1, 1, 3, 3)", "stride=2, dilation=500"),
    ):
        setup = f"v = {small}"
        rows.append(
            (
                "conv_transpose2d",
                "2048 x 2048",
                f"npconv.conv_transpose2d(v, {kernel}, {how})",
                6,
                setup,
                "None",
            )
        )
    rows.append(
        (
            "separable_conv2d",
            "deep",
            "npconv.separable_conv2d(deep, w(64, 1, 3, 3), w(64, 64, 1, 1), padding=1)",
            6,
            "",
            "None",
        )
    )
    rows.append(
        ("conv3d", "volume", "npconv.conv3d(volume[None], w(4, 1, 3, 3, 3), stride=2)", 6, "", "None")
    )
    return rows


def others() -> list[Row]:
    """The ranks of a function that no row above has, its gradients, and the plans."""
    line = "v = row[None]"
    block = "v = volume[None]"
    line_of_four = "v = row.reshape(1, 4, -1); g = v[..., 2:]"
    block_of_four = "v = volume.reshape(1, 4, 64, 512, 512); g = v[..., 2:, 2:, 2:]"
    quarter = "i = np.zeros(v.shape, np.int64)"
    values_1d = "v = row[:, : 1 << 24].copy(); " + quarter
    values_3d = "v = volume[:, :64, :256].copy(); " + quarter
    pools = [
        (
            "grad.min_pool2d",
            "grad.min_pool2d(v, i, image.shape)",
            values_3d.replace("[:, :64, :256]", "[:, 0]"),
        ),
        ("grad.min_pool1d", "grad.min_pool1d(v, i, row.shape)", values_1d),
        ("grad.min_pool3d", "grad.min_pool3d(v, i, volume.shape)", values_3d),
        ("grad.max_pool1d", "grad.max_pool1d(v, i, row.shape)", values_1d),
        ("grad.max_pool3d", "grad.max_pool3d(v, i, volume.shape)", values_3d),
        ("max_unpool1d", "npconv.max_unpool1d(v, i, 4)", values_1d),
        ("max_unpool3d", "npconv.max_unpool3d(v, i, (1, 2, 2))", values_3d),
        ("grad.max_unpool1d", "grad.max_unpool1d(row[..., ::-1], i)", values_1d),
        ("grad.max_unpool3d", "grad.max_unpool3d(volume[..., ::-1], i)", values_3d),
    ]
    for rank, of_v, size in ((1, line, "(7_001,)"), (3, block, "(3, 200, 7)")):
        v = "v[0]"
        pools += [
            (f"adaptive_avg_pool{rank}d", f"npconv.adaptive_avg_pool{rank}d({v}, {size})", of_v),
            (f"adaptive_max_pool{rank}d", f"npconv.adaptive_max_pool{rank}d({v}, {size})", of_v),
            (f"global_avg_pool{rank}d", f"npconv.global_avg_pool{rank}d({v})", of_v),
            (f"global_max_pool{rank}d", f"npconv.global_max_pool{rank}d({v})", of_v),
            (
                f"grad.adaptive_avg_pool{rank}d",
                f"grad.adaptive_avg_pool{rank}d(g, {v}.shape)",
                f"{of_v}; g = npconv.adaptive_avg_pool{rank}d({v}, {size})",
            ),
            (
                f"grad.global_avg_pool{rank}d",
                f"grad.global_avg_pool{rank}d(g, {v}.shape)",
                f"{of_v}; g = npconv.global_avg_pool{rank}d({v})",
            ),
            (
                f"grad.global_max_pool{rank}d",
                f"grad.global_max_pool{rank}d(g, {v})",
                f"{of_v}; g = npconv.global_max_pool{rank}d({v})",
            ),
        ]
    for rank, of_v, size in (
        (1, line, "7_001"),
        (2, "v = image[None]", "(70, 9)"),
        (3, block, "(3, 200, 7)"),
    ):
        pools.append(
            (
                f"grad.adaptive_max_pool{rank}d",
                f"grad.adaptive_max_pool{rank}d(g, i, v[0].shape)",
                f"{of_v}; g, i = npconv.adaptive_max_pool{rank}d(v[0], {size}, return_indices=True)",
            )
        )
    for rank, of_v in ((1, line), (2, "v = image[None]"), (3, block)):
        unfolded = f"npconv.unfold{rank}d(v[0], 2, stride=2)"
        with_columns = f"{of_v}; c = {unfolded}; sizes = v.shape[2:]"
        pools += [
            (f"unfold{rank}d", unfolded, of_v),
            (f"fold{rank}d", f"npconv.fold{rank}d(c, sizes, 2, stride=2)", with_columns),
            (f"grad.unfold{rank}d", f"grad.unfold{rank}d(c, v[0].shape, 2, stride=2)", with_columns),
            (f"grad.fold{rank}d", f"grad.fold{rank}d(v[0], 2, stride=2)", of_v),
        ]
    convs = [
        ("grad.conv2d_bias", "grad.conv2d_bias(v)", "v = deep"),
        ("grad.conv1d_bias", "grad.conv1d_bias(v)", line),
        ("grad.conv3d_bias", "grad.conv3d_bias(v)", block),
    ]
    small = "s = v[..., : v.shape[-1] // 4].copy(); "
    for rank, of_v, kernel in (
        (1, line_of_four, "w(4, 4, 3)"),
        (2, "v = image.reshape(1, 4, 4096, 4096); g = v[..., 2:, 2:]", "w(4, 4, 3, 3)"),
        (3, block_of_four, "w(4, 4, 3, 3, 3)"),
    ):
        with_kernel = f"k = {kernel}; {of_v}"
        with_result = f"k = {kernel}; {of_v}; {small}t = npconv.conv_transpose{rank}d(s, k, stride=2)"
        convs += [
            (f"conv{rank}d", f"npconv.conv{rank}d(v, k)", with_kernel),
            (f"grad.conv{rank}d_input", f"grad.conv{rank}d_input(v.shape, k, g)", with_kernel),
            (f"grad.conv{rank}d_weight", f"grad.conv{rank}d_weight(v, k.shape, g)", with_kernel),
            (f"conv_transpose{rank}d", f"npconv.conv_transpose{rank}d(s, k, stride=2)", with_result),
            (
                f"grad.conv_transpose{rank}d_input",
                f"grad.conv_transpose{rank}d_input(s.shape, k, t, stride=2)",
                with_result,
            ),
            (
                f"grad.conv_transpose{rank}d_weight",
                f"grad.conv_transpose{rank}d_weight(s, k.shape, t, stride=2)",
                with_result,
            ),
            (
                "plan_conv_transpose",
                f"plan(s) # {kernel}",
                f"{with_result}; plan = npconv.plan_conv_transpose(s.shape, k, stride=2)",
            ),
            (
                "plan_conv_input_grad",
                f"plan(g) # {kernel}",
                f"{with_kernel}; plan = npconv.plan_conv_input_grad(v.shape, k)",
            ),
            (
                "plan_conv_weight_grad",
                f"plan(v, g) # {kernel}",
                f"{with_kernel}; plan = npconv.plan_conv_weight_grad(v.shape, k.shape)",
            ),
        ]
    convs.append(
        (
            "plan_separable_conv2d",
            "plan(deep)",
            "plan = npconv.plan_separable_conv2d(deep.shape, w(64, 1, 3, 3), w(64, 64, 1, 1), padding=1)",
        )
    )
    return [
        (name, "", call, 8 if "weight" in name else 6, setup, "None") for name, call, setup in pools + convs
    ]


def measured(row: Row) -> float | str:
    """The peak in MB beyond operands and result, or how the process ended."""
    _, _, call, _, setup, out = row
    small = SMALL_CONV if "conv" in row[0] else SMALL_POOL
    code = PRELUDE.format(call=call, small=small, setup=setup, out=out)
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        return "not within 900 s"
    if done.returncode == 0:
        return float(done.stdout)
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def functions() -> set[str]:
    """The public functions that take arrays, as rows name them."""
    no_arrays = {"get_num_threads", "num_threads", "set_num_threads", "show_config"}
    named = {
        prefix + name
        for module, prefix in ((npconv, ""), (grad, "grad."))
        for name in module.__all__
        if callable(getattr(module, name)) and not inspect.isclass(getattr(module, name))
    }
    # grad has the plans of gradients too.
    return {name for name in named - no_arrays if not name.startswith("grad.plan_")}


def main(parts: list[str]) -> int:
    wrong = 0
    print("| function | x | call | peak, MB | promise, MB | |\n| --- | --- | --- | --- | --- | --- |")
    rows = pooling() + convolutions() + others()
    missing = functions() - {row[0] for row in rows}
    if missing:
        raise SystemExit(f"no row for {', '.join(sorted(missing))}")
    for row in rows:
        if parts and not any(part in row[0] + " " + row[2] for part in parts):
            continue
        peak = measured(row)
        good = not isinstance(peak, str) and peak <= row[3] + ALLOWED
        wrong += not good
        shown = peak if isinstance(peak, str) else f"{max(peak, 0):.1f}"
        print(
            f"| {row[0]} | {row[1]} | `{row[2]}` | {shown} | {row[3]} | {'' if good else 'MORE'} |",
            flush=True,
        )
    print(f"\n{wrong} of the calls take more than promised")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
