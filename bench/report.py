# SPDX-License-Identifier: BSD-3-Clause
"""Results as text: the table of a run, the comparison of two files, the README's table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from figures import (
    OURS,
    LayerFigures,
    accurate,
    geometric_mean,
    layer_figures,
    share_of_peak,
    summary,
    total_figures,
)
from results_io import Entry, Report, Table
from tables import markdown, plain

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
LEGEND = (
    "Times in us: medians over the rounds; of several runs that with the middle ratio. % peak: of the FMA\n"
    "peak of the same run, operations counted by the direct definition. ratio: time of the best peer over\n"
    "npconv's; above 1 npconv is faster. * error above the limit, never the best peer; ~ hopelessly slow,\n"
    "timed once; - cannot run the layer."
)
SURPRISE = 0.05  # a change that compare marks


def text(report: Report) -> str:
    parts = [_origin(report), *(_caveat_lines(report)), *report.notes]
    parts += [_table(table) for table in report.tables]
    return "\n".join([*parts, "", LEGEND, *(_caveat_lines(report))])


def _origin(report: Report) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['caches']}"
    return f"{report.date}, commit {report.commit}\n{where}\n{versions}"


def _caveat_lines(report: Report) -> list[str]:
    return [f"NOT A CLAIM: {caveat}" for caveat in report.caveats]


def _table(table: Table) -> str:
    figures = layer_figures(table)
    names = [peer for peer in _peers(table) if peer != OURS]
    head = ["layer", "x", OURS, "% peak", "error", "algorithm", *names, "best peer", "ratio"]
    head += ["all runs"] if len(table.runs) > 1 else []
    rows = [_row(table, f, names) for f in figures]
    totals = _total_rows(table, names) if table.network else []
    peaks = ", ".join(f"{run.peak:.1f}" for run in table.runs)
    lines = ["", table.key.title, f"FMA peak {peaks} GFLOP/s a core", plain(head, [*rows, *totals])]
    return "\n".join([*lines, *_summary_lines(table), *_reasons(figures)])


def _peers(table: Table) -> list[str]:
    """Every peer that ran a layer of the table."""
    seen = {e.peer: None for run in table.runs for layer in run.layers for e in layer.entries}
    return list(seen)


def _row(table: Table, f: LayerFigures, names: Sequence[str]) -> list[str]:
    ours, dtype = f.ours, table.key.dtype
    cells = [f.name, str(f.count), _cell(ours, dtype)]
    if ours:
        share = share_of_peak(f.flops, ours.seconds, f.peak, table.key.threads)
        cells += [f"{share:.0%}", f"{ours.error:.1e}", ours.variant or "-"]
    else:
        cells += ["-", "-", "-"]
    cells += [_cell(f.peers.get(name), dtype) for name in names]
    cells += [f.best.peer if f.best else "-", _ratio(f.ratio)]
    return cells + ([_ratios(f.ratios)] if len(table.runs) > 1 else [])


def _total_rows(table: Table, names: Sequence[str]) -> list[list[str]]:
    total = total_figures(table)
    several = len(table.runs) > 1
    ours = total.seconds.get(OURS)
    share = f"{share_of_peak(total.flops, ours, total.peak, table.key.threads):.0%}" if ours else "-"
    single = min((s, p) for p, s in total.seconds.items() if p != OURS) if len(total.seconds) > 1 else None
    sums = [_us(total.seconds[n]) if n in total.seconds else "-" for n in names]
    count = str(sum(layer.count for layer in table.runs[0].layers))
    first = ["all, best single peer", count, _us(ours) if ours else "-", share, "", "", *sums]
    first += [single[1] if single else "-", _middle(total.ratios_single)]
    second = ["all, best peer of each layer", count, "", "", "", "", *[""] * len(names)]
    second += [_us(total.mix) if total.mix else "-", _middle(total.ratios_mix)]
    if several:
        first.append(_ratios(total.ratios_single))
        second.append(_ratios(total.ratios_mix))
    return [first, second]


def _summary_lines(table: Table) -> list[str]:
    s = summary(table)
    lines = [f"geometric mean of the fraction of the FMA peak {s.share:.0%}"] if s.share else []
    if s.geomean is not None and s.lowest is not None:
        runs = f" (runs: {_ratios(s.geomeans)})" if len(table.runs) > 1 else ""
        lines.append(
            f"ratio to the best peer: geometric mean {s.geomean:.2f}{runs}, lowest {s.lowest:.2f}, "
            f"below 0.98: {s.below_tie} of {s.compared} layers"
        )
    return lines


def _reasons(figures: Sequence[LayerFigures]) -> list[str]:
    """Why a peer did not run: once for each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for f in figures:
        for peer, why in f.missing.items():
            reasons.setdefault((peer, why), []).append(f.name)
    lines = []
    for (peer, why), names in reasons.items():
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        lines.append(f"- {peer}: {why}" + ("" if len(names) == len(figures) else f" ({some})"))
    return lines


def _us(seconds: float) -> str:
    us = seconds * 1e6
    return f"{us:.0f}" if us >= 100 else f"{us:.1f}" if us >= 10 else f"{us:.2f}"


def _cell(entry: Entry | None, dtype: str) -> str:
    if entry is None:
        return "-"
    return _us(entry.seconds) + ("" if accurate(entry, dtype) else "*") + ("~" if entry.rounds == 1 else "")


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _ratios(ratios: Sequence[float]) -> str:
    return " ".join(f"{r:.2f}" for r in ratios) or "-"


def _middle(ratios: Sequence[float]) -> str:
    return _ratio(sorted(ratios)[(len(ratios) - 1) // 2]) if ratios else "-"


def compare(before: Report, after: Report) -> str:
    """Two files side by side: fractions of the FMA peak and ratios, as a machine may change its speed."""
    parts = [f"A: {_origin(before)}", f"B: {_origin(after)}"]
    parts += [f"A: {line}" for line in _caveat_lines(before)] + [
        f"B: {line}" for line in _caveat_lines(after)
    ]
    theirs = {table.key: table for table in before.tables}
    for table in after.tables:
        if table.key in theirs:
            parts += ["", table.key.title, _compare_tables(theirs[table.key], table)]
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
        times = [_us(old.ours.seconds), _us(f.ours.seconds)]
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
                _ratio(old.ratio),
                _ratio(f.ratio),
                algorithms,
                mark,
            ]
        )
    if not rows:
        return "no layer in common"
    head = ["layer", "A us", "B us", "A % peak", "B % peak", "B / A", "A ratio", "B ratio", "algorithm", ""]
    mean = f"geometric mean of B / A (fractions of the peak): {geometric_mean(changes):.3f}"
    return plain(head, rows) + "\n" + mean


def readme_table(folder: Path) -> str:
    """The newest claim for each table among the results of a folder, as Markdown: machine by machine."""
    from results_io import load

    newest: dict[tuple[object, str], tuple[Report, Table]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            report = load(path)
        except ValueError:
            continue  # other results, as of the sweep
        if report.caveats:
            continue
        for table in report.tables:
            at = (table.key, report.machine["cpu"])
            if at not in newest or newest[at][0].date <= report.date:
                newest[at] = (report, table)
    if not newest:
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

    def place(pair: tuple[Report, Table]) -> tuple[object, ...]:
        key = pair[1].key
        return key.calls, key.dtype, key.set, key.layout, key.threads

    ordered = sorted(newest.values(), key=place)
    parts = []
    for cpu in dict.fromkeys(cpu for _, cpu in newest):
        here = [(report, table) for report, table in ordered if report.machine["cpu"] == cpu]
        parts += _readme_origins([report for report, _ in here])
        parts.append(markdown(head, [_readme_row(report, table) for report, table in here], left=2))
    return "\n\n".join(parts)


def _readme_row(report: Report, table: Table) -> list[str]:
    s, key = summary(table), table.key
    details = [key.dtype] if key.dtype != "float32" else []
    details += ["plain calls, against torch"] if key.calls == "plain" else []
    details += [f"algorithm {key.algorithm}"] if key.algorithm != "auto" else []
    details += [key.isa] if key.isa != report.machine["isa_available"][0] else []
    name = key.set + (f" ({', '.join(details)})" if details else "")
    rows = [name, key.layout, str(key.threads), f"{s.share:.0%}" if s.share else "-", _ratio(s.geomean)]
    return [*rows, _ratios(s.geomeans), _ratio(s.lowest), f"{report.date[:10]}, {report.commit}"]


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
    return [f"Measured on {line}:" for line in lines]


def fill_readme(readme: Path, table: str) -> None:
    """Replace what stands between the markers."""
    content = readme.read_text(encoding="utf-8")
    if content.count(BEGIN) != 1 or content.count(END) != 1:
        raise SystemExit(f"{readme} needs the markers {BEGIN} and {END} once each")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    readme.write_text(pattern.sub(lambda _: f"{BEGIN}\n{table}\n{END}", content), encoding="utf-8")
