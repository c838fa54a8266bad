# SPDX-License-Identifier: BSD-3-Clause
"""Figures of pooling tables: ratios to one peer or to a copy, growth with the kernel. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from figures import OURS, accurate, by_peer, geometric_mean, middle
from pool_layers import POOL_SETS
from results_io import LayerRun, Table


@dataclass(frozen=True)
class Against:
    """npconv against one peer, or against a copy, over the layers that it ran."""

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


def growth(table: Table) -> dict[str, float]:
    """Time of npconv with a large kernel over that with a small one, where a set has one layer with both."""
    layers = POOL_SETS[table.key.set].make() if table.key.set in POOL_SETS else ()
    found = {}
    for small in layers:
        for large in layers:
            alike = (small.op, small.c, small.size, small.target) == (large.op, large.c, large.size, ())
            if not alike or small.kernel >= large.kernel:
                continue
            values = [value for run in table.runs if (value := _quotient(run.layers, large.name, small.name))]
            if len(values) == len(table.runs):
                sizes = " / ".join("x".join(map(str, layer.kernel)) for layer in (large, small))
                found[f"{small.op} {sizes}"] = middle(values)
    return found


def _quotient(layers: Sequence[LayerRun], large: str, small: str) -> float | None:
    times = {layer.name: e.seconds for layer in layers for e in layer.entries if e.peer == OURS}
    return times[large] / times[small] if large in times and small in times else None
