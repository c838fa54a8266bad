# SPDX-License-Identifier: BSD-3-Clause
"""A figure of pooling tables alone: the growth with the kernel. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from figures import OURS, middle
from pool_layers import POOL_SETS
from results_io import LayerRun, Table


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
