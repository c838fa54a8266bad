# SPDX-License-Identifier: BSD-3-Clause
"""Results as text: the table of a run, the comparison of two files, the README's table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cells
import pool_report
from figures import (
    OURS,
    LayerFigures,
    against,
    geometric_mean,
    layer_figures,
    layouts,
    middle,
    share_of_peak,
    summary,
    total_figures,
)
from results_io import Report, Table, load
from tables import markdown, plain

MARKERS = BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
POOL_MARKERS = "<!-- pool:begin -->", "<!-- pool:end -->"
LEGEND = (
    "Times in us: medians over the rounds; of several runs that with the middle ratio. % peak: of the FMA\n"
    "peak of the same run, operations counted by the direct definition. ratio: time of the best peer over\n"
    "npconv's; above 1 npconv is faster. * error above the limit, never the best peer; ~ hopelessly slow,\n"
    "timed once; - cannot run the layer. Errors: relative L2, against float64, on standard normal data."
)
SURPRISE = 0.05  # a change that compare marks
ACCURATE_WINOGRAD = "ncnn"  # the peer whose error beside its speed is the one to match


def text(report: Report) -> str:
    parts = [_origin(report), *(_caveat_lines(report)), *report.notes]
    parts += [pool_report.text(table) if is_pool(table) else _table(table) for table in report.tables]
    parts += _layout_lines([table for table in report.tables if not is_pool(table)])
    legends = {is_pool(table): None for table in report.tables}
    parts += ["", *(pool_report.LEGEND if pool else LEGEND for pool in legends)]
    return "\n".join([*parts, *(_caveat_lines(report))])


def is_pool(table: Table) -> bool:
    return table.key.kind == "pool"


def _origin(report: Report) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['caches']}"
    return f"{report.date}, commit {report.commit}\n{where}\n{versions}"


def _caveat_lines(report: Report) -> list[str]:
    return [f"NOT A CLAIM: {caveat}" for caveat in report.caveats]


def _table(table: Table) -> str:
    figures = layer_figures(table)
    names = [peer for peer in cells.peers_of(table) if peer != OURS]
    head = ["layer", "x", OURS, "% peak", "error", "algorithm", *names, "best peer", "ratio"]
    head += ["all runs"] if len(table.runs) > 1 else []
    rows = [_row(table, f, names) for f in figures]
    totals = _total_rows(table, names) if table.network else []
    peaks = ", ".join(f"{run.peak:.1f}" for run in table.runs)
    lines = ["", table.key.title, f"FMA peak {peaks} GFLOP/s a core", plain(head, [*rows, *totals])]
    lines += [*_summary_lines(table), *(_total_lines(table) if table.network else [])]
    return "\n".join([*lines, *cells.reasons(figures), *_errors(figures, names)])


def _row(table: Table, f: LayerFigures, names: Sequence[str]) -> list[str]:
    ours, dtype = f.ours, table.key.dtype
    row = [f.name, str(f.count), cells.cell(ours, dtype)]
    if ours:
        share = share_of_peak(f.flops, ours.seconds, f.peak, table.key.threads)
        row += [f"{share:.0%}", f"{ours.error:.1e}", ours.variant or "-"]
    else:
        row += ["-", "-", "-"]
    row += [cells.cell(f.peers.get(name), dtype) for name in names]
    row += [f.best.peer if f.best else "-", cells.ratio(f.ratio)]
    return row + ([cells.ratios(f.ratios)] if len(table.runs) > 1 else [])


def _total_rows(table: Table, names: Sequence[str]) -> list[list[str]]:
    total = total_figures(table)
    several = len(table.runs) > 1
    ours = total.seconds.get(OURS)
    share = f"{share_of_peak(total.flops, ours, total.peak, table.key.threads):.0%}" if ours else "-"
    single = min((s, p) for p, s in total.seconds.items() if p != OURS) if len(total.seconds) > 1 else None
    sums = [cells.us(total.seconds[n]) if n in total.seconds else "-" for n in names]
    count = str(sum(layer.count for layer in table.runs[0].layers))
    first = ["all, best single peer", count, cells.us(ours) if ours else "-", share, "", "", *sums]
    first += [single[1] if single else "-", cells.middle_ratio(total.ratios_single)]
    second = ["all, best peer of each layer", count, "", "", "", "", *[""] * len(names)]
    second += [cells.us(total.mix) if total.mix else "-", cells.middle_ratio(total.ratios_mix)]
    if several:
        first.append(cells.ratios(total.ratios_single))
        second.append(cells.ratios(total.ratios_mix))
    return [first, second]


def _summary_lines(table: Table) -> list[str]:
    s = summary(table)
    lines = [f"geometric mean of the fraction of the FMA peak {s.share:.0%}"] if s.share else []
    if s.geomean is not None and s.lowest is not None:
        runs = f" (runs: {cells.ratios(s.geomeans)})" if len(table.runs) > 1 else ""
        lines.append(
            f"ratio to the best peer: geometric mean {s.geomean:.2f}{runs}, lowest {s.lowest:.2f}, "
            f"below 0.98: {s.below_tie} of {s.compared} layers"
        )
    torch = against(table, "torch")
    if torch and len(cells.peers_of(table)) > 2:  # alone it is the best peer
        runs = f" (runs: {cells.ratios(torch.geomeans)})" if len(table.runs) > 1 else ""
        lines.append(
            f"ratio to torch: geometric mean {torch.geomean:.2f}{runs}, lowest {torch.lowest:.2f}, "
            f"{torch.compared} layers"
        )
    return lines


def _total_lines(table: Table) -> list[str]:
    """Of a network: our sum over theirs, the ratios of the total rows the other way round."""
    total = total_figures(table)
    found = {
        "the best peer of each layer": total.ratios_mix,
        "the best single peer": total.ratios_single,
    }
    shares = [f"{1 / middle(ratios):.3f} of {what}" for what, ratios in found.items() if ratios]
    return [f"sum over all layers: npconv takes {', '.join(shares)}"] if shares else []


def _errors(figures: Sequence[LayerFigures], names: Sequence[str]) -> list[str]:
    """The error of each candidate whose time is in the table; nothing where npconv was alone."""
    if not names:
        return []
    rows = []
    for f in figures:
        entries = [f.peers.get(name) for name in (OURS, *names)]
        rows.append([f.name, *(f"{entry.error:.1e}" if entry else "-" for entry in entries)])
    pairs = [(f.ours, f.peers[ACCURATE_WINOGRAD]) for f in figures if ACCURATE_WINOGRAD in f.peers]
    errors = [(ours.error, other.error) for ours, other in pairs if ours]
    lines = ["", plain(["relative L2 error", OURS, *names], rows)]
    if errors:
        above = sum(ours > other for ours, other in errors)
        worst = max(ours / other if other else 1.0 for ours, other in errors)
        lines.append(
            f"npconv's error above {ACCURATE_WINOGRAD}'s: {above} of {len(errors)} layers; "
            f"over {ACCURATE_WINOGRAD}'s at most {worst:.2f}"
        )
    return lines


def _layout_lines(tables: Sequence[Table]) -> list[str]:
    """npconv channels last against itself channels first, where a result has both."""
    theirs = {table.key: table for table in tables}
    lines = []
    for table in tables:
        first = theirs.get(replace(table.key, layout="channels_first"))
        if table.key.layout != "channels_last" or first is None:
            continue
        ratios = layouts(first, table)
        if ratios:
            lowest = min(ratios, key=lambda name: ratios[name])
            lines += [
                "",
                table.key.title,
                "npconv's speed over that channels first: "
                f"geometric mean {geometric_mean(list(ratios.values())):.2f}, "
                f"lowest {ratios[lowest]:.2f} ({lowest})",
            ]
    return lines


def compare(before: Report, after: Report) -> str:
    """Two files side by side: fractions of the FMA peak and ratios, as a machine may change its speed."""
    parts = [f"A: {_origin(before)}", f"B: {_origin(after)}"]
    parts += [f"A: {line}" for line in _caveat_lines(before)] + [
        f"B: {line}" for line in _caveat_lines(after)
    ]
    theirs = {table.key: table for table in before.tables}
    for table in after.tables:
        if table.key in theirs:
            side_by_side = pool_report.compare if is_pool(table) else _compare_tables
            parts += ["", table.key.title, side_by_side(theirs[table.key], table)]
    if len(theirs.keys() & {t.key for t in after.tables}) == 0:
        parts.append("The files have no table in common.")
    return "\n".join(parts)


def _compare_tables(a: Table, b: Table) -> str:
    before = {f.name: f for f in layer_figures(a)}
    rows, changes = [], []
    for f in layer_figures(b):
        old = before.get(f.name)
        if old is None or old.ours is None or f.ours is None:
            continue
        shares = [share_of_peak(g.flops, g.ours.seconds, g.peak, b.key.threads) for g in (old, f) if g.ours]
        change = shares[1] / shares[0]
        changes.append(change)
        mark = "" if abs(change - 1) < SURPRISE else "slower" if change < 1 else "faster"
        times = [cells.us(old.ours.seconds), cells.us(f.ours.seconds)]
        algorithms = (
            old.ours.variant
            if old.ours.variant == f.ours.variant
            else f"{old.ours.variant}, {f.ours.variant}"
        )
        rows.append(
            [
                f.name,
                *times,
                *(f"{s:.0%}" for s in shares),
                f"{change:.2f}",
                cells.ratio(old.ratio),
                cells.ratio(f.ratio),
                algorithms,
                mark,
            ]
        )
    if not rows:
        return "no layer in common"
    head = ["layer", "A us", "B us", "A % peak", "B % peak", "B / A", "A ratio", "B ratio", "algorithm", ""]
    mean = f"geometric mean of B / A (fractions of the peak): {geometric_mean(changes):.3f}"
    return plain(head, rows) + "\n" + mean


Claim = tuple[Report, Table]


def claims(folder: Path, kind: str) -> list[Claim]:
    """The newest claim for each table of a kind and each machine among the results of a folder."""
    newest: dict[tuple[object, str], Claim] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            report = load(path)
        except ValueError:
            continue  # other results, as of the sweep
        if report.caveats:
            continue
        for table in report.tables:
            at = (table.key, report.machine["cpu"])
            if table.key.kind == kind and (at not in newest or newest[at][0].date <= report.date):
                newest[at] = (report, table)
    return list(newest.values())


def readme_table(folder: Path) -> str:
    """The claims for convolutions as Markdown, machine by machine."""
    found = claims(folder, "conv")
    if not found:
        raise SystemExit(f"no complete result (three runs, whole protocol) in {folder}")
    head = [
        "layers",
        "layout",
        "threads",
        "of the FMA peak",
        "ratio to the best peer: mean",
        "runs",
        "lowest",
        "measured",
    ]

    return _by_machine(found, head, _readme_row)


def readme_pool_table(folder: Path) -> str | None:
    """The claims for pooling likewise; None where there are none."""
    found = claims(folder, "pool")
    return _by_machine(found, pool_report.README_HEAD, _readme_pool_row) if found else None


def _by_machine(
    found: Sequence[Claim], head: Sequence[str], row: Callable[[Report, Table], list[str]]
) -> str:
    """A table for each machine, in the order in which machines are first met."""

    def place(claim: Claim) -> tuple[object, ...]:
        key = claim[1].key
        return key.calls, key.dtype, key.set, key.layout, key.threads

    ordered = sorted(found, key=place)
    parts = []
    for cpu in dict.fromkeys(report.machine["cpu"] for report, _ in found):
        here = [(report, table) for report, table in ordered if report.machine["cpu"] == cpu]
        parts += _readme_origins([report for report, _ in here])
        parts.append(markdown(head, [row(report, table) for report, table in here], left=2))
    return "\n\n".join(parts)


def _readme_row(report: Report, table: Table) -> list[str]:
    s, key = summary(table), table.key
    details = [key.dtype] if key.dtype != "float32" else []
    details += ["plain calls, against torch"] if key.calls == "plain" else []
    details += [f"algorithm {key.algorithm}"] if key.algorithm != "auto" else []
    share = f"{s.share:.0%}" if s.share else "-"
    ratios = [cells.ratio(s.geomean), cells.ratios(s.geomeans), cells.ratio(s.lowest)]
    return [*_readme_names(report, table, details), share, *ratios, _readme_origin(report)]


def _readme_pool_row(report: Report, table: Table) -> list[str]:
    names = _readme_names(report, table, [])
    return [*names, *pool_report.readme_cells(table), _readme_origin(report)]


def _readme_names(report: Report, table: Table, details: list[str]) -> list[str]:
    key = table.key
    details = details + ([key.isa] if key.isa != report.machine["isa_available"][0] else [])
    name = key.set + (f" ({', '.join(details)})" if details else "")
    return [name, key.layout, str(key.threads)]


def _readme_origin(report: Report) -> str:
    return f"{report.date[:10]}, {report.commit}"


def _readme_origins(reports: Sequence[Report]) -> list[str]:
    lines = []
    for report in reports:
        peers = {k: v for k, v in report.versions.items() if k not in ("npconv", "numpy", "python")}
        line = (
            f"{report.machine['cpu']}, {report.machine['cores']} cores, "
            f"{report.machine['isa_available'][0]}; "
            + (", ".join(f"{name} {version}" for name, version in peers.items()))
        )
        if line not in lines:
            lines.append(line)
    # tables of fewer peers, of the same versions, need no line of their own
    longest = [line for line in lines if not any(other.startswith(line + ",") for other in lines)]
    return [f"Measured on {line}:" for line in longest]


def fill_readme(readme: Path, table: str, markers: tuple[str, str] = MARKERS) -> None:
    """Replace what stands between the markers."""
    begin, end = markers
    content = readme.read_text(encoding="utf-8")
    if content.count(begin) != 1 or content.count(end) != 1:
        raise SystemExit(f"{readme} needs the markers {begin} and {end} once each")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    readme.write_text(pattern.sub(lambda _: f"{begin}\n{table}\n{end}", content), encoding="utf-8")
