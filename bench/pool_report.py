# SPDX-License-Identifier: BSD-3-Clause
"""Pooling results as text: the table of a run, the comparison of two files, the cells of the README's row."""

from __future__ import annotations

from collections.abc import Sequence

import cells
from figures import OURS, Against, LayerFigures, against, geometric_mean, layer_figures, ratios_to, summary
from pool_figures import growth
from results_io import COPIES, COPY, COPY_ALONE, Table
from tables import plain

LEGEND = (
    "Times in us: medians over the rounds; of several runs that with the middle ratio. ratio: time of the\n"
    "best peer over npconv's; above 1 npconv is faster. / torch, / litert: the same for one peer, its best\n"
    "variant. % memcpy: bytes read and written in a second over those of np.copyto on as many bytes, in as\n"
    "many threads (1 thr: in one, where that is faster). * wrong or inaccurate, never the best peer;\n"
    "~ hopelessly slow, timed once; - cannot run the layer."
)
README_HEAD = (
    "layers",
    "layout",
    "threads",
    "ratio to the best peer: mean",
    "runs",
    "lowest",
    "to torch: mean, lowest",
    "to LiteRT: mean, lowest",
    "of the faster memcpy, lowest",
    "measured",
)
APART = ("torch", "litert")  # the peers with targets of their own, channels last
SURPRISE = 0.05  # a change that compare marks


def text(table: Table) -> str:
    figures = layer_figures(table)
    several = len(table.runs) > 1
    names = [peer for peer in cells.peers_of(table) if peer not in (OURS, *COPIES)]
    ratios = {peer: ratios_to(table, peer) for peer in (*_apart(table), *COPIES)}
    copied = any(COPY in f.peers for f in figures)
    head = ["layer", OURS, *names, "best peer", "ratio"]
    head += ["all runs"] if several else []
    head += [f"/ {peer}" for peer in _apart(table)]
    head += ["memcpy", "% memcpy"] if copied else []
    rows = []
    for i, f in enumerate(figures):
        row = [f.name, *(_cell(table, f, name) for name in (OURS, *names))]
        row += [_best(f), cells.ratio(f.ratio)]
        row += [cells.ratios(f.ratios)] if several else []
        row += [cells.ratio(ratios[peer][i]) for peer in _apart(table)]
        row += [_cell(table, f, COPY), _share(ratios[COPY][i], ratios[COPY_ALONE][i])] if copied else []
        rows.append(row)
    lines = ["", table.key.title, plain(head, rows), *_summary_lines(table), *_growth_lines(table)]
    return "\n".join([*lines, *_ways(figures), *cells.reasons(figures)])


def _apart(table: Table) -> tuple[str, ...]:
    return APART if table.key.layout == "channels_last" else ()


def _cell(table: Table, f: LayerFigures, peer: str) -> str:
    return cells.cell(f.peers.get(peer), table.key.dtype)


def _best(f: LayerFigures) -> str:
    if f.best is None:
        return "-"
    return f"{f.best.peer} ({f.best.variant})" if f.best.peer == "torch" else f.best.peer


def _share(share: float | None, alone: float | None) -> str:
    if share is None:
        return "-"
    return f"{share:.0%}" + (f" (1 thr {alone:.0%})" if alone is not None and alone < share else "")


def _summary_lines(table: Table) -> list[str]:
    s = summary(table)
    lines = []
    if s.geomean is not None and s.lowest is not None:
        lines.append(
            f"ratio to the best peer: geometric mean {s.geomean:.2f}{_runs(s.geomeans)}, "
            f"lowest {s.lowest:.2f}, below 0.98: {s.below_tie} of {s.compared} layers"
        )
    for peer in _apart(table):
        found = against(table, peer)
        if found:
            lines.append(
                f"ratio to {peer}: geometric mean {found.geomean:.2f}{_runs(found.geomeans)}, "
                f"lowest {found.lowest:.2f}, {found.compared} layers"
            )
    found = against(table, *COPIES)
    if found:
        lines.append(
            f"of the faster memcpy, {found.compared} layers without overlap: "
            f"geometric mean {found.geomean:.0%}, lowest {found.lowest:.0%}"
        )
    return lines


def _runs(geomeans: Sequence[float]) -> str:
    return f" (runs: {cells.ratios(geomeans)})" if len(geomeans) > 1 else ""


def _growth_lines(table: Table) -> list[str]:
    return [f"time of npconv, {what}: {value:.2f}" for what, value in growth(table).items()]


def _ways(figures: Sequence[LayerFigures]) -> list[str]:
    """How the figure of each peer was come by, where it has several ways."""
    ways: dict[tuple[str, str], list[str]] = {}
    for f in figures:
        for peer, entry in f.peers.items():
            if entry.variant and peer not in (OURS, *COPIES):
                ways.setdefault((peer, entry.variant), []).append(f.name)
    lines = []
    for (peer, variant), names in ways.items():
        whole = len(names) == sum(peer in f.peers for f in figures)
        lines.append(f"{peer} by {variant}: " + ("every layer" if whole else ", ".join(names)))
    return lines


def compare(a: Table, b: Table) -> str:
    """Times, and the ratios to the best peer, by which changes are judged: a machine may change its speed."""
    before = {f.name: f for f in layer_figures(a)}
    copied = [dict(zip((f.name for f in layer_figures(t)), ratios_to(t, COPY), strict=True)) for t in (a, b)]
    rows, changes = [], []
    for f in layer_figures(b):
        old = before.get(f.name)
        if old is None or old.ours is None or f.ours is None:
            continue
        change = f.ratio / old.ratio if f.ratio and old.ratio else None
        changes += [change] if change else []
        mark = "" if change is None or abs(change - 1) < SURPRISE else "slower" if change < 1 else "faster"
        row = [f.name, cells.us(old.ours.seconds), cells.us(f.ours.seconds)]
        row += [cells.ratio(old.ratio), cells.ratio(f.ratio), cells.ratio(change)]
        rows.append([*row, *(_share(shares.get(f.name), None) for shares in copied), mark])
    if not rows:
        return "no layer in common"
    head = ["layer", "A us", "B us", "A ratio", "B ratio", "B / A", "A % memcpy", "B % memcpy", ""]
    mean = f"\ngeometric mean of B / A (ratios): {geometric_mean(changes):.3f}" if changes else ""
    return plain(head, rows) + mean


def readme_cells(table: Table) -> list[str]:
    """What stands between the names of a table and its origin."""
    s = summary(table)
    found = against(table, *COPIES)
    row = [cells.ratio(s.geomean), cells.ratios(s.geomeans), cells.ratio(s.lowest)]
    row += [_mean_and_lowest(against(table, peer)) for peer in APART]
    return [*row, f"{found.lowest:.0%}" if found else "-"]


def _mean_and_lowest(found: Against | None) -> str:
    return f"{found.geomean:.2f}, {found.lowest:.2f}" if found else "-"
