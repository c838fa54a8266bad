# SPDX-License-Identifier: BSD-3-Clause
"""Winograd's errors, measured, and the norms of its matrices: the two tables of docs/winograd.md.

python bench/winograd_error.py            prints them; fails where "winograd" is beyond its promise
python bench/winograd_error.py --write    puts them between the markers of docs/winograd.md

Everything is seeded: the same instruction set gives the same tables. References: float32 against float64,
float64 against the widest type of NumPy. One thread, less than a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npconv
import numpy as np
from figures import relative_error
from machine import ROOT
from numpy.typing import NDArray
from report import fill_readme
from tables import markdown

Array = NDArray[Any]

PAGE = ROOT / "docs" / "winograd.md"
ERROR_MARKERS = "<!-- error:begin -->", "<!-- error:end -->"
GROWTH_MARKERS = "<!-- growth:begin -->", "<!-- growth:end -->"

TAPS = 3
WHOLE = {"winograd_f2": 2, "winograd": 4, "winograd_f6": 6}  # outputs of a whole tile along an axis
ALGORITHMS = ("gemm", *WHOLE)
CHANNELS = (16, 64, 256, 512, 1024, 2048)
SENTINEL = 1e8
DISTRIBUTIONS: dict[str, Callable[[Array], Array]] = {
    "normal": lambda x: x,
    "after ReLU": lambda x: np.maximum(x, 0),
    "mean 3": lambda x: x + 3,
    "one sentinel": lambda x: _with_sentinel(x),
}
# 26 = 6 x 4 + 2 = 4 x 6 + 2 and 14 = 3 x 4 + 2 = 2 x 6 + 2: smaller tiles at two borders.
SIZES = {"float32": 26, "float64": 14}
OUTPUTS = {"float32": 64, "float64": 8}  # few where the reference is slow
PROMISE = {"float32": 2e-6, "float64": 1e-14}  # of "winograd", on normal data


@dataclass(frozen=True)
class Measured:
    """Of one algorithm and number of channels."""

    algorithm: str
    channels: int
    errors: dict[str, float]  # relative L2, by distribution; NaN where the algorithm cannot serve
    largest: float | None  # of one output, over all distributions, in units of u max|x| sum|w|
    bound: float | None  # c: what `largest` may be


def _with_sentinel(x: Array) -> Array:
    x = x.copy()
    x[_sentinel_at(x)] = SENTINEL
    return x


def _sentinel_at(x: Array) -> tuple[int, int, int]:
    """A pixel of one channel, in the middle of the map."""
    return x.shape[0] // 2, x.shape[1] // 2, x.shape[2] // 2


def data(channels: int, outputs: int, size: int, distribution: str, dtype: str) -> tuple[Array, Array]:
    """x (channels, size, size), w (outputs, channels, 3, 3), of one seed for every algorithm."""
    rng = np.random.default_rng([channels, list(DISTRIBUTIONS).index(distribution)])
    x = DISTRIBUTIONS[distribution](rng.standard_normal((channels, size, size)))
    return x.astype(dtype), rng.standard_normal((outputs, channels, TAPS, TAPS)).astype(dtype)


def padded(x: Array) -> Array:
    return np.pad(x, ((0, 0), (1, 1), (1, 1)))


def reference(x: Array, w: Array) -> Array:
    """The convolution with a border of one zero, tap by tap, in a wider type."""
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    x, w = padded(x.astype(wide)), w.astype(wide)
    height, width = x.shape[1] - 2, x.shape[2] - 2
    y = np.zeros((w.shape[0], height * width), wide)
    for i in range(TAPS):
        for j in range(TAPS):
            window = x[:, i : i + height, j : j + width].reshape(len(x), -1)
            y += w[:, :, i, j] @ window
    return y.reshape(-1, height, width)


def unspoilt(x: Array, distribution: str) -> Array:
    """The outputs whose window does not hold the sentinel: it could reach them through their tile alone."""
    kept = np.ones(x.shape[1:], bool)
    if distribution == "one sentinel":
        _, row, column = _sentinel_at(x)
        kept[row - 1 : row + 2, column - 1 : column + 2] = False
    return kept


def tile_largest(x: Array, tile: int) -> Array:
    """For each output the largest magnitude among the inputs of its tile, over all channels."""
    magnitudes = np.abs(padded(x)).max(axis=0)
    height, width = x.shape[1:]
    largest = np.empty((height, width), x.dtype)
    for row in range(0, height, tile):
        for column in range(0, width, tile):
            inputs = magnitudes[row : row + tile + 2, column : column + tile + 2]
            largest[row : row + tile, column : column + tile] = inputs.max()
    return largest


def in_units(y: Array, exact: Array, x: Array, w: Array, tile: int) -> float:
    """The largest |y - y*| / (u max_tile|x| sum|w|)."""
    unit = np.finfo(x.dtype).eps / 2
    scale = tile_largest(x, tile) * np.abs(w.astype(exact.dtype)).sum(axis=(1, 2, 3))[:, None, None]
    return float((np.abs(y - exact) / (unit * scale)).max())


def measure(
    dtype: str,
    channels: Sequence[int],
    size: int | None = None,
    outputs: int | None = None,
    algorithms: Sequence[str] = ALGORITHMS,
) -> list[Measured]:
    size, outputs = size or SIZES[dtype], outputs or OUTPUTS[dtype]
    errors: dict[tuple[str, int], dict[str, float]] = {(a, c): {} for a in algorithms for c in channels}
    largest: dict[tuple[str, int], list[float]] = {key: [] for key in errors}
    for c in channels:
        for name in DISTRIBUTIONS:
            x, w = data(c, outputs, size, name, dtype)
            exact, kept = reference(x, w), unspoilt(x, name)
            for algorithm in algorithms:
                try:
                    y = npconv.conv2d(x, w, padding=1, algorithm=algorithm, num_threads=1)
                except ValueError:
                    errors[algorithm, c][name] = float("nan")
                    continue
                errors[algorithm, c][name] = relative_error(y[:, kept], exact[:, kept])
                if algorithm in WHOLE:
                    largest[algorithm, c].append(in_units(y, exact, x, w, WHOLE[algorithm]))
    return [
        Measured(algorithm, c, found, max(largest[algorithm, c], default=None), _bound(algorithm, c))
        for (algorithm, c), found in errors.items()
    ]


def _bound(algorithm: str, channels: int) -> float | None:
    if algorithm not in WHOLE:
        return None
    axis = (WHOLE[algorithm] + TAPS - 1, TAPS)
    return npconv._core._winograd_bound([(1, 1), axis, axis], channels, 16)


def error_table(measured: Sequence[Measured]) -> str:
    head = ["`algorithm`", "channels", *DISTRIBUTIONS, "largest, in units", "c"]
    rows = []
    for one in measured:
        row = [f"`{one.algorithm}`", str(one.channels), *(f"{error:.1e}" for error in one.errors.values())]
        row += [_three(one.largest), _three(one.bound)]
        rows.append(row)
    return markdown(head, rows)


def _three(value: float | None) -> str:
    """Three significant digits, no exponent."""
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def beyond(measured: Sequence[Measured], dtype: str) -> list[str]:
    """What breaks a promise: the relative error of the default algorithm, and the bound of every one."""
    lines = []
    for one in measured:
        error, what = one.errors["normal"], f"{one.algorithm}, {dtype}, {one.channels} channels"
        if one.algorithm == "winograd" and not error <= PROMISE[dtype]:
            lines.append(f"{what}: {error:.1e} is beyond {PROMISE[dtype]:g}")
        if one.largest is not None and one.bound is not None and not one.largest <= one.bound:
            lines.append(f"{what}: an output is {one.largest:.3g} units off, beyond c = {one.bound:.3g}")
    return lines


@dataclass(frozen=True)
class Growth:
    """Norms in one dimension (largest sum of magnitudes of a row); in two they are squares of these."""

    at: float
    g: float
    bt: float
    spread: float  # see `growth`

    @property
    def product(self) -> float:
        return self.at * self.g * self.bt


def growth(at: Array, g: Array, bt: Array) -> Growth:
    """Norms of the matrices, and how far intermediate values of an output may spread.

    The spread is the largest, over the outputs, of the sum over the points of |AT| max|G| sum|BT|: times
    max|x| sum|w| it bounds the terms that an output is added up from. Unlike the product of the norms it does
    not change when a row of G is scaled and the row of BT inversely.
    """
    spread = np.abs(at) @ (np.abs(g).max(axis=1) * np.abs(bt).sum(axis=1))
    return Growth(norm(at), norm(g), norm(bt), float(spread.max()))


def norm(matrix: Array) -> float:
    return float(np.abs(matrix).sum(axis=1).max())


def matrices(whole: int, outputs: int) -> tuple[Array, Array, Array]:
    found = npconv._core._winograd_matrices(whole + TAPS - 1, TAPS, outputs)
    at, g, bt = (np.array(found[name]) for name in ("at", "g", "bt"))
    return at, g, bt


def tiles() -> Iterator[tuple[int, int]]:
    """Whole tiles, each followed by the smaller ones that may stand beside it."""
    for whole in WHOLE.values():
        yield from ((whole, outputs) for outputs in range(whole, 0, -1))


def growth_table() -> str:
    head = ["tile", "among", "finite points", "AT", "G", "BT", "product", "spread"]
    head += [f"{name} in 2-D" for name in ("AT", "G", "BT", "product", "spread")]
    rows = []
    for whole, outputs in tiles():
        found = growth(*matrices(whole, outputs))
        values = (found.at, found.g, found.bt, found.product, found.spread)
        points = npconv._core._winograd_matrices(whole + TAPS - 1, TAPS, outputs)["points"]
        names = ", ".join(_point(p) for p in points if np.isfinite(p))
        rows.append(
            [
                *(f"F({outputs}, 3)", f"F({whole}, 3)", names),
                *(_three(value) for value in values),
                *(_three(value**2) for value in values),
            ]
        )
    return markdown(head, rows, left=3)


def _point(value: float) -> str:
    """As one would write it: 0, 1/2, sqrt(2), sqrt(1/2), 2."""
    known = {0.5: "1/2", 2**0.5: "sqrt(2)", 0.5**0.5: "sqrt(1/2)"}
    size = next(
        (name for number, name in known.items() if abs(abs(value) - number) < 1e-12), f"{abs(value):g}"
    )
    return ("-" if value < 0 else "") + size


def main(argv: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--write", action="store_true", help="put the tables between the markers of the page")
    parser.add_argument("--page", type=Path, default=PAGE, help="another page than docs/winograd.md")
    args = parser.parse_args(argv)
    norms = growth_table()
    parts, broken = [], []
    for dtype in ("float32", "float64"):
        measured = measure(dtype, CHANNELS)
        about = f"{dtype}, {npconv._core._isa()}, maps of {SIZES[dtype]} x {SIZES[dtype]}:"
        parts.append(f"{about}\n\n{error_table(measured)}")
        broken += beyond(measured, dtype)
    errors = "\n\n".join(parts)
    if args.write:
        fill_readme(args.page, norms, GROWTH_MARKERS)
        fill_readme(args.page, errors, ERROR_MARKERS)
    else:
        print(norms, errors, sep="\n\n")
    print(*broken, sep="\n", end="\n" if broken else "")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
