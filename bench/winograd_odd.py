# SPDX-License-Identifier: BSD-3-Clause
"""Whether Winograd keeps its speed on odd maps, odd channels and batches: measured against predicted times.

The layers of the set "winograd-odd" are compared with what those of "winograd" let expect, in results of one
machine (`run.py odd`). Speed by the direct count would be no fair measure: a tile of m x m outputs costs
(m + 2)^2 multiplications for each pair of channels, so that a map of 13 has less to gain than one of 16. Both
predictions therefore count the points of the tile grid, n + 2 ceil(n / 4) along an axis of n outputs (tiles
of 4, a smaller one at the end), and both are made of times over the FMA peak of the same run, so that they
survive a machine that changes its speed.

nearest  The strict one. The multiplications that the layer needs, none of those that only fill vectors, at
         the rate of the two regular layers most like it: near in the logarithms of the number of points, of
         the input channels and of the output channels; the nearer of the two counts more.
law      What a layer's sizes explain. Three terms, fitted to all regular layers: the products, in whole
         vectors of output channels; the transforms, points x (in + out); and the weights, in x out, which
         are read once for all points. 37 -> 53 channels have 64 / 53 of the products and spread each
         transform over fewer of them than any regular layer does: `nearest` knows nothing of either.

A layer within `nearest` needs no excuse; one beyond it but within the law costs what its sizes explain; one
beyond both falls off a cliff.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cells
import numpy as np
from figures import geometric_mean, layer_figures
from layer_sets import SETS
from layers import Layer
from results_io import Table
from tables import plain

REGULAR, ODD = "winograd", "winograd-odd"
WINOGRAD = "winograd"  # the algorithm; plain calls do not tell theirs
TILE, TAPS = 4, 3
WITHIN = 1.15  # of the prediction
VECTOR_BYTES = {"avx512": 64, "avx2": 32}  # 16 elsewhere
LEGEND = (
    "Predictions: bench/winograd_odd.py. nearest: products of the tile grid at the rate of the regular\n"
    "layers most like it; law: by terms for products, transforms and weights fitted to the regular layers.\n"
    f"ratio: measured over predicted; ! more than {WITHIN - 1:.0%} above."
)


@dataclass(frozen=True)
class Timed:
    """A layer and its time; `units`: multiplications that the FMA peak does in that time."""

    layer: Layer
    seconds: float
    units: float
    algorithm: str


@dataclass(frozen=True)
class Row:
    name: str
    algorithm: str
    seconds: float
    nearest: float  # seconds predicted
    law: float | None
    like: str  # the layers that gave the rate


def axis_points(n: int) -> int:
    """Transform points along an axis of n outputs."""
    return n + (TAPS - 1) * math.ceil(n / TILE)


def points(layer: Layer) -> int:
    return layer.batch * math.prod(axis_points(n) for n in layer.output_size)


def products(layer: Layer) -> int:
    return points(layer) * layer.c * layer.o


def timed(table: Table) -> list[Timed]:
    """The layers of a table that npconv ran, by their sets' definitions."""
    layers = {layer.name: layer for layer in SETS[table.key.set].make()}
    found = []
    for f in layer_figures(table):
        if f.ours is not None and f.name in layers:
            units = f.ours.seconds * f.peak * 1e9 / 2 * table.key.threads
            found.append(Timed(layers[f.name], f.ours.seconds, units, f.ours.variant))
    return found


def distance(a: Layer, b: Layer) -> float:
    pairs = ((points(a), points(b)), (a.c, b.c), (a.o, b.o))
    return math.hypot(*(math.log(one / other) for one, other in pairs))


def by_nearest(layer: Layer, regular: Sequence[Timed], count: int = 2) -> tuple[float, list[str]]:
    """Peak units, and the layers they come from."""
    near = sorted(regular, key=lambda r: distance(layer, r.layer))[:count]
    if distance(layer, near[0].layer) == 0:
        near = near[:1]
    weights = [1 / max(distance(layer, r.layer), 1e-9) for r in near]
    costs = [r.units / products(r.layer) for r in near]  # of a multiplication
    cost = float(np.average(costs, weights=weights))
    return products(layer) * cost, [r.layer.name for r in near]


def terms(layer: Layer, lanes: int) -> list[float]:
    """What the law adds up: products in whole vectors, transforms, weights."""
    whole = points(layer) * layer.c * lanes * math.ceil(layer.o / lanes)
    return [whole, points(layer) * (layer.c + layer.o), layer.c * layer.o]


def law(regular: Sequence[Timed], lanes: int) -> list[float] | None:
    """Non-negative factors of the terms, by least squares of relative errors; None with too few layers."""
    rows = np.array([terms(r.layer, lanes) for r in regular], float)
    if len(rows) <= 3:
        return None
    rows /= np.array([[r.units] for r in regular])
    best: tuple[float, list[float]] | None = None
    # Three factors: all choices of which are zero take less to read than an active-set method.
    for chosen in (c for n in (1, 2, 3) for c in combinations(range(3), n)):
        part = rows[:, chosen]
        found = np.linalg.lstsq(part, np.ones(len(rows)), rcond=None)[0]
        residual = float(np.linalg.norm(part @ found - 1))
        if min(found) >= 0 and (best is None or residual < best[0]):
            factors = [0.0, 0.0, 0.0]
            for index, factor in zip(chosen, found, strict=True):
                factors[index] = float(factor)
            best = residual, factors
    return best[1] if best else None


def lanes_of(table: Table) -> int:
    return VECTOR_BYTES.get(table.key.isa, 16) // np.dtype(table.key.dtype).itemsize


def regular_layers(table: Table) -> list[Timed]:
    """Those that took Winograd: others say nothing about it."""
    return [one for one in timed(table) if one.algorithm in (WINOGRAD, "")]


def fit(table: Table) -> str:
    """How well the law explains the layers that it was fitted to."""
    regular, lanes = regular_layers(table), lanes_of(table)
    factors = law(regular, lanes)
    if factors is None:
        return "no law: too few regular layers"
    ratios = [one.units / float(np.dot(terms(one.layer, lanes), factors)) for one in regular]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"law on the regular layers themselves: measured over predicted {spread}"


def predict(regular_table: Table, odd_table: Table) -> list[Row]:
    """Predictions for each odd layer that npconv ran; none where no regular layer took Winograd."""
    lanes = lanes_of(odd_table)
    regular = regular_layers(regular_table)
    factors = law(regular, lanes)
    rows = []
    for one in timed(odd_table) if regular else ():
        units, like = by_nearest(one.layer, regular)
        second = one.seconds / one.units  # seconds of a unit, in the run of this layer
        explained = float(np.dot(terms(one.layer, lanes), factors)) * second if factors else None
        rows.append(
            Row(
                one.layer.name,
                one.algorithm or "-",
                one.seconds,
                units * second,
                explained,
                " and ".join(like),
            )
        )
    return rows


def text(tables: Sequence[Table]) -> str:
    """A table for each pair of tables that differ in nothing but the set."""
    found: dict[object, dict[str, Table]] = {}
    for table in tables:
        where = table.key.layout, table.key.threads, table.key.dtype, table.key.calls, table.key.isa
        if table.key.set in (REGULAR, ODD) and table.key.algorithm in ("auto", WINOGRAD):
            found.setdefault((*where, table.key.algorithm), {})[table.key.set] = table
    parts = [_pair(pair) for pair in found.values() if len(pair) == 2]
    if not parts:
        raise SystemExit(f"no tables of {REGULAR} and {ODD} that differ in nothing else")
    return "\n\n".join([*parts, LEGEND])


def _pair(pair: Mapping[str, Table]) -> str:
    rows = predict(pair[REGULAR], pair[ODD])
    title = pair[ODD].key.title
    if not rows:
        return f"{title}\nno regular layer took Winograd"
    head = ["layer", "algorithm", "measured us", "nearest us", "ratio", "law us", "ratio", "nearest layers"]
    lines = []
    for row in rows:
        lines.append(
            [
                *(row.name, row.algorithm, cells.us(row.seconds), cells.us(row.nearest)),
                _ratio(row.seconds / row.nearest),
                cells.us(row.law) if row.law is not None else "-",
                _ratio(row.seconds / row.law) if row.law is not None else "-",
                row.like,
            ]
        )
    summaries = [_summary("nearest", [row.seconds / row.nearest for row in rows])]
    by_law = [row.seconds / row.law for row in rows if row.law is not None]
    summaries += [_summary("law", by_law)] if by_law else []
    return "\n".join([title, plain(head, lines), *summaries, fit(pair[REGULAR])])


def _summary(prediction: str, ratios: Sequence[float]) -> str:
    beyond = sum(ratio > WITHIN for ratio in ratios)
    return (
        f"measured over {prediction}: geometric mean {geometric_mean(ratios):.2f}, "
        f"highest {max(ratios):.2f}, more than {WITHIN - 1:.0%} above: {beyond} of {len(ratios)} layers"
    )


def _ratio(value: float) -> str:
    return cells.ratio(value) + (" !" if value > WITHIN else "")
