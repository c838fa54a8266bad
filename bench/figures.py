# SPDX-License-Identifier: BSD-3-Clause
"""From times to figures: medians, best peers, ratios, the middle of several runs, totals. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results_io import COPIES, Entry, LayerRun, Run, Table

OURS = "npconv"
ERROR_LIMIT = {"float32": 1e-5, "float64": 1e-12}
TIE = 0.98  # a ratio from here on is no loss


@dataclass(frozen=True)
class LayerFigures:
    """A layer of a table: the run whose ratio is the middle one, and the ratios of all runs."""

    name: str
    count: int
    peak: float  # GFLOP/s of one core, of that run
    flops: int
    peers: dict[str, Entry]  # the best variant of each, npconv included
    best: Entry | None  # the fastest accurate peer
    ratios: list[float]  # of each run, in order; empty without a peer
    missing: dict[str, str]

    @property
    def ours(self) -> Entry | None:
        return self.peers.get(OURS)

    @property
    def ratio(self) -> float | None:
        return middle(self.ratios) if self.ratios else None


@dataclass(frozen=True)
class TotalFigures:
    """The sum over the layers of a network, each as often as it occurs, of the run with the middle ratio."""

    seconds: dict[str, float]  # by peer; a peer that lacks a layer, or is inaccurate on one, is not there
    mix: float | None  # the best peer of each layer
    ratios_mix: list[float]
    ratios_single: list[float]  # to the best single peer
    flops: int
    peak: float


def median_entry(peer: str, variant: str, times: Sequence[float], error: float) -> Entry:
    return Entry(peer, variant, statistics.median(times), min(times), max(times), len(times), error)


def relative_error(y: NDArray[Any], expected: NDArray[Any]) -> float:
    """Relative L2 error; infinity for a wrong shape or a NaN."""
    if y.shape != expected.shape:
        return float("inf")
    error = float(np.linalg.norm((y - expected).ravel()) / np.linalg.norm(expected.ravel()))
    return error if error == error else float("inf")


def middle(values: Sequence[float]) -> float:
    return statistics.median_low(values)


def accurate(entry: Entry, dtype: str) -> bool:
    return entry.error <= ERROR_LIMIT[dtype]


def by_peer(layer: LayerRun, dtype: str) -> dict[str, Entry]:
    """The best variant of each peer: an accurate one where there is one."""
    best: dict[str, Entry] = {}
    for entry in sorted(layer.entries, key=lambda e: (not accurate(e, dtype), e.seconds)):
        best.setdefault(entry.peer, entry)
    return best


def best_peer(layer: LayerRun, dtype: str) -> Entry | None:
    peers = [e for e in layer.entries if e.peer not in (OURS, *COPIES) and accurate(e, dtype)]
    return min(peers, key=lambda e: e.seconds, default=None)


def ratio_of(layer: LayerRun, dtype: str) -> float | None:
    """Time of the best peer over ours, above 1 we are faster; None without a peer or where we are inexact."""
    ours, best = by_peer(layer, dtype).get(OURS), best_peer(layer, dtype)
    return best.seconds / ours.seconds if ours and accurate(ours, dtype) and best else None


def layer_figures(table: Table) -> list[LayerFigures]:
    dtype = table.key.dtype
    figures = []
    for index, first in enumerate(table.runs[0].layers):
        layers = [run.layers[index] for run in table.runs]
        ratios = [r for layer in layers if (r := ratio_of(layer, dtype)) is not None]
        if len(ratios) == len(layers):
            chosen = ratios.index(middle(ratios))
        else:
            times = [by_peer(layer, dtype).get(OURS) for layer in layers]
            seconds = [t.seconds if t else 0.0 for t in times]
            chosen, ratios = seconds.index(middle(seconds)), []
        layer = layers[chosen]
        figures.append(
            LayerFigures(
                first.name,
                first.count,
                table.runs[chosen].peak,
                first.flops,
                by_peer(layer, dtype),
                best_peer(layer, dtype),
                ratios,
                layer.missing,
            )
        )
    return figures


def share_of_peak(flops: float, seconds: float, peak: float, threads: int) -> float:
    return flops / seconds * 1e-9 / peak / threads


def total_figures(table: Table) -> TotalFigures:
    totals = [_total_of_run(run, table.key.dtype) for run in table.runs]
    mixes = [mix / t[OURS] for t, mix in totals if mix is not None and OURS in t]
    singles = [min(others) / t[OURS] for t, _ in totals if OURS in t and (others := _others(t))]
    chosen = mixes.index(middle(mixes)) if len(mixes) == len(totals) else 0
    seconds, mix = totals[chosen]
    flops = sum(layer.flops * layer.count for layer in table.runs[chosen].layers)
    return TotalFigures(seconds, mix, mixes, singles, flops, table.runs[chosen].peak)


def _others(seconds: dict[str, float]) -> list[float]:
    return [s for peer, s in seconds.items() if peer != OURS]


def _total_of_run(run: Run, dtype: str) -> tuple[dict[str, float], float | None]:
    layers = [(layer.count, by_peer(layer, dtype), best_peer(layer, dtype)) for layer in run.layers]
    peers = {peer for _, entries, _ in layers for peer in entries}
    seconds = {
        peer: sum(count * entries[peer].seconds for count, entries, _ in layers)
        for peer in sorted(peers)
        if all(peer in entries and accurate(entries[peer], dtype) for _, entries, _ in layers)
    }
    parts = [count * best.seconds for count, _, best in layers if best]
    return seconds, sum(parts) if len(parts) == len(layers) else None


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


@dataclass(frozen=True)
class Summary:
    """A table in one line."""

    layers: int
    compared: int  # layers with a ratio
    geomean: float | None  # of the layers' middle ratios
    geomeans: list[float]  # of each run
    lowest: float | None
    below_tie: int
    share: float | None  # of the FMA peak: geometric mean over the layers


def summary(table: Table) -> Summary:
    figures = layer_figures(table)
    ratios = [r for f in figures if (r := f.ratio) is not None]
    shares = [
        share_of_peak(f.flops, f.ours.seconds, f.peak, table.key.threads)
        for f in figures
        if f.ours is not None and f.flops
    ]
    runs = []
    for run in table.runs:
        values = [r for layer in run.layers if (r := ratio_of(layer, table.key.dtype)) is not None]
        runs += [geometric_mean(values)] if values else []
    return Summary(
        len(figures),
        len(ratios),
        geometric_mean(ratios) if ratios else None,
        runs,
        min(ratios, default=None),
        sum(r < TIE for r in ratios),
        geometric_mean(shares) if shares else None,
    )


@dataclass(frozen=True)
class Against:
    """npconv against one peer, or against a copy (of pooling), over the layers that it ran."""

    compared: int
    geomean: float  # of the layers' middle ratios
    geomeans: list[float]  # of each run
    lowest: float


def ratio_to(layer: LayerRun, peer: str, dtype: str) -> float | None:
    """Time of a peer (its best variant) over ours; None where one of the two is not there or is inexact."""
    entries = by_peer(layer, dtype)
    ours, other = entries.get(OURS), entries.get(peer)
    if ours is None or other is None or not accurate(ours, dtype) or not accurate(other, dtype):
        return None
    return other.seconds / ours.seconds


def ratios_to(table: Table, peer: str) -> list[float | None]:
    """The middle ratio of each layer."""
    found = []
    for layers in zip(*(run.layers for run in table.runs), strict=True):
        values = [ratio_to(layer, peer, table.key.dtype) for layer in layers]
        known = _known(values)
        found.append(middle(known) if len(known) == len(values) else None)
    return found


def against(table: Table, *peers: str) -> Against | None:
    """Where several peers are named, against the fastest of them on each layer."""
    known = _known(min_of(*(ratios_to(table, peer) for peer in peers)))
    if not known:
        return None
    runs = []
    for run in table.runs:
        each = [[ratio_to(layer, peer, table.key.dtype) for layer in run.layers] for peer in peers]
        runs.append(geometric_mean(_known(min_of(*each))))
    return Against(len(known), geometric_mean(known), runs, min(known))


def min_of(*columns: Sequence[float | None]) -> list[float | None]:
    """The lowest value of each row."""
    return [min(_known(row), default=None) for row in zip(*columns, strict=True)]


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def layouts(first: Table, last: Table) -> dict[str, float]:
    """npconv's time channels first over that channels last, layer by layer, both by the peak of their run."""
    before = {f.name: f for f in layer_figures(first)}
    ratios = {}
    for f in layer_figures(last):
        old = before.get(f.name)
        if old is not None and old.ours is not None and f.ours is not None:
            ratios[f.name] = old.ours.seconds * old.peak / (f.ours.seconds * f.peak)
    return ratios


Grid = dict[tuple[int, int], float]  # (map, channels): fraction of the FMA peak


def cliffs(grid: Grid, channels_from: int = 64, fall: float = 0.2) -> list[tuple[int, int, float, float]]:
    """Points that fall more than `fall` below the mean of their neighbours: (map, channels, value, mean)."""
    maps = sorted({size for size, _ in grid})
    channels = sorted({c for _, c in grid})
    found = []
    for i, size in enumerate(maps):
        for j, c in enumerate(channels):
            around = [(maps[k], c) for k in (i - 1, i + 1) if 0 <= k < len(maps)]
            around += [(size, channels[k]) for k in (j - 1, j + 1) if 0 <= k < len(channels)]
            values = [grid[point] for point in around if point in grid]
            if c < channels_from or (size, c) not in grid or not values:
                continue
            mean = statistics.fmean(values)
            if grid[size, c] < (1 - fall) * mean:
                found.append((size, c, grid[size, c], mean))
    return found
