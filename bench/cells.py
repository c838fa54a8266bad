# SPDX-License-Identifier: BSD-3-Clause
"""The cells of result tables as text: times, ratios, peers, and why a peer is not there."""

from __future__ import annotations

from collections.abc import Sequence

from figures import LayerFigures, accurate, middle
from results_io import Entry, Table


def peers_of(table: Table) -> list[str]:
    """Every peer that ran a layer of the table."""
    seen = {e.peer: None for run in table.runs for layer in run.layers for e in layer.entries}
    return list(seen)


def reasons(figures: Sequence[LayerFigures]) -> list[str]:
    """Why a peer did not run: once for each reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for f in figures:
        for peer, why in f.missing.items():
            found.setdefault((peer, why), []).append(f.name)
    return [
        f"- {peer}: {why}" + ("" if len(names) == len(figures) else f" ({some(names)})")
        for (peer, why), names in found.items()
    ]


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def us(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(entry: Entry | None, dtype: str) -> str:
    if entry is None:
        return "-"
    return us(entry.seconds) + ("" if accurate(entry, dtype) else "*") + ("~" if entry.rounds == 1 else "")


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def ratios(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values) or "-"


def middle_ratio(values: Sequence[float]) -> str:
    return ratio(middle(values)) if values else "-"
