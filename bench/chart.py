# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of results: bars of every candidate on every layer, and the heat map of a sweep (Matplotlib)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from figures import OURS, Grid, accurate, layer_figures, share_of_peak
from results_io import Report, Table

COLOURS = {
    OURS: "#d62728",
    "torch": "#ee9b5c",
    "ort": "#4c78a8",
    "openvino": "#8a6bb8",
    "ncnn": "#54a24b",
    "litert": "#b8a13a",
    "scipy": "#8c8c8c",
}


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def bars(report: Report, path: Path) -> None:
    """One row of bars for each table: GFLOP/s of each candidate over the FMA peak of the same run."""
    plt = _pyplot()
    longest = max(len(table.runs[0].layers) for table in report.tables)
    size = (max(8.0, 0.55 * longest + 3), 4.2 * len(report.tables))
    figure, axes = plt.subplots(len(report.tables), 1, figsize=size, squeeze=False)
    for axis, table in zip(axes[:, 0], report.tables, strict=True):
        _bars_of(axis, table)
    caveat = "  NOT A CLAIM: " + "; ".join(report.caveats) if report.caveats else ""
    figure.suptitle(
        f"{report.machine['cpu']}, {report.date[:10]}, commit {report.commit}.{caveat}", fontsize=9
    )
    figure.tight_layout()
    _save(figure, path)


def _bars_of(axis: Any, table: Table) -> None:
    figures = layer_figures(table)
    names = list({entry: None for f in figures for entry in f.peers})
    names.sort(key=lambda name: list(COLOURS).index(name))
    width = 0.84 / max(1, len(names))
    for i, name in enumerate(names):
        for j, f in enumerate(figures):
            entry = f.peers.get(name)
            if entry is None:
                continue
            share = share_of_peak(f.flops, entry.seconds, f.peak, table.key.threads)
            at = j + (i - (len(names) - 1) / 2) * width
            hatch = None if accurate(entry, table.key.dtype) else "///"
            axis.bar(at, 100 * share, width, color=COLOURS[name], hatch=hatch, label=name if j == 0 else None)
    handles = [axis.bar(0, 0, color=COLOURS[name]) for name in names]
    axis.legend(
        handles,
        names,
        fontsize=8,
        ncols=len(names),
        loc="upper left",
        bbox_to_anchor=(0, 1.13),
        frameon=False,
    )
    axis.axhline(100, color="black", linewidth=0.8)
    axis.set_xticks(range(len(figures)), [f.name for f in figures], rotation=40, ha="right", fontsize=8)
    axis.set_xlim(-0.6, len(figures) - 0.4)
    axis.set_ylabel("% of the FMA peak")
    axis.set_title(table.key.title, fontsize=10, loc="right")
    axis.spines[["top", "right"]].set_visible(False)


def heat_map(grids: dict[str, Grid], title: str, path: Path) -> None:
    """A panel for each kernel size: maps across, channels down, the fraction of the FMA peak in the cell."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, len(grids), figsize=(7.2 * len(grids), 5.2), squeeze=False)
    for axis, (kernel, grid) in zip(axes[0], grids.items(), strict=True):
        maps = sorted({size for size, _ in grid})
        channels = sorted({c for _, c in grid})
        values = [[100 * grid.get((size, c), float("nan")) for size in maps] for c in channels]
        most = max(100.0, max(max(row) for row in values))
        image = axis.imshow(values, cmap="viridis", vmin=0, vmax=most, aspect="auto")
        for j, row in enumerate(values):
            for i, value in enumerate(row):
                colour = "black" if value > 0.65 * most else "white"
                axis.text(i, j, f"{value:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axis.set_xticks(range(len(maps)), [str(size) for size in maps])
        axis.set_yticks(range(len(channels)), [str(c) for c in channels])
        axis.set_xlabel("map (height = width)")
        axis.set_ylabel("channels (in = out)")
        axis.set_title(f"{kernel}: % of the FMA peak", fontsize=10)
        figure.colorbar(image, ax=axis)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"wrote {path}")
