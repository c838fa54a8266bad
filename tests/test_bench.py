# SPDX-License-Identifier: BSD-3-Clause
"""The bench's figures, without its peers: best peer, middle of runs, cliffs, layer sets, the README."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import figures  # noqa: E402
import layer_sets  # noqa: E402
import report  # noqa: E402
from results_io import Entry, Key, LayerRun, Report, Run, Table, load, save  # noqa: E402


def layer(ours: float, **peers: tuple[float, float]) -> LayerRun:
    """A layer of 1000 operations: our time, and time and error of each peer."""
    entries = [Entry("npconv", "plan", ours, ours, ours, 7, 1e-7)]
    entries += [Entry(name, "", t, t, t, 7, error) for name, (t, error) in peers.items()]
    return LayerRun("a layer", 1, 1000, entries)


def table(*layers: LayerRun) -> Table:
    """A table of one layer, of as many runs as layers are given."""
    return Table(Key("resnet50", "channels_first", 1), True, [Run(100.0, [one]) for one in layers])


def test_an_inaccurate_peer_is_never_the_best() -> None:
    row = layer(2.0, torch=(3.0, 1e-7), fast=(1.0, 2e-5))
    best = figures.best_peer(row, "float32")
    assert best is not None
    assert best.peer == "torch"
    assert figures.ratio_of(row, "float32") == pytest.approx(1.5)
    assert figures.ratio_of(layer(2.0), "float32") is None
    assert figures.ratio_of(layer(2.0, fast=(1.0, 2e-5)), "float32") is None


def test_an_inexact_result_of_ours_has_no_ratio() -> None:
    row = layer(1.0, torch=(3.0, 1e-7))
    row.entries[0] = Entry("npconv", "plan", 1.0, 1.0, 1.0, 7, 1e-3)
    assert figures.ratio_of(row, "float32") is None


def test_of_three_runs_the_middle_one_counts() -> None:
    runs = table(*(layer(1.0, torch=(t, 0.0)) for t in (1.3, 0.9, 1.1)))
    (row,) = figures.layer_figures(runs)
    assert row.ratios == pytest.approx([1.3, 0.9, 1.1])
    assert row.ratio == pytest.approx(1.1)
    assert row.best is not None
    assert row.best.seconds == pytest.approx(1.1)
    assert figures.summary(runs).below_tie == 0
    assert figures.summary(table(layer(1.0, torch=(0.97, 0.0)))).below_tie == 1


def test_a_cliff_is_a_point_far_below_its_neighbours() -> None:
    grid = {(m, c): 0.9 for m in (7, 14, 28) for c in (37, 64, 96)}
    assert figures.cliffs(grid) == []
    grid[14, 64] = 0.71
    assert [point[:2] for point in figures.cliffs(grid)] == [(14, 64)]
    grid[14, 64] = 0.73
    assert figures.cliffs(grid) == []
    grid[14, 37] = 0.1  # below 64 channels: shown, not judged
    assert all(c >= 64 for _, c, *_ in figures.cliffs(grid))


@pytest.mark.parametrize(
    ("name", "layers", "gmacs"),
    [("resnet50", 53, 4.09), ("vgg16", 13, 15.35), ("mobilenetv2", 52, 0.30)],
)
def test_the_networks_have_their_layers(name: str, layers: int, gmacs: float) -> None:
    made = layer_sets.SETS[name].make()
    assert sum(one.count for one in made) == layers
    assert sum(one.count * one.flops for one in made) / 2e9 == pytest.approx(gmacs, rel=0.02)


def test_every_layer_of_a_set_has_a_name_of_its_own() -> None:
    for layer_set in layer_sets.SETS.values():
        names = [one.name for one in layer_set.make()]
        assert len(set(names)) == len(names), layer_set.name


def test_results_and_the_table_in_the_readme(tmp_path: Path) -> None:
    machine = {"cpu": "a processor", "cores": 2, "isa_available": ["avx512"]}
    runs = table(*(layer(1.0, torch=(t, 0.0)) for t in (1.3, 0.9, 1.1)))
    claim = Report("2026-11-23 21:00 UTC", "abc", machine, {"torch": "2"}, [], [], {}, [runs])
    save(claim, tmp_path / "claim.json")
    assert load(tmp_path / "claim.json") == claim
    shortened = Report("2026-11-24 21:00 UTC", "abc", machine, {}, ["shortened"], [], {}, [table(layer(1.0))])
    save(shortened, tmp_path / "later.json")
    text = report.readme_table(tmp_path)
    assert "resnet50" in text
    assert "1.10" in text  # the claim, not the later result that is none
    elsewhere = Report(
        "2026-11-25 21:00 UTC", "def", {**machine, "cpu": "another"}, {"torch": "2"}, [], [], {}, [runs]
    )
    save(elsewhere, tmp_path / "elsewhere.json")
    text = report.readme_table(tmp_path)
    first, second = text.split("Measured on another, 2 cores, avx512; torch 2:")
    assert first.startswith("Measured on a processor, 2 cores, avx512; torch 2:")
    assert "| abc |" not in second
    assert "2026-11-25, def" in second

    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.fill_readme(readme, text)
    assert readme.read_text(encoding="utf-8") == f"before\n{report.BEGIN}\n{text}\n{report.END}\nafter\n"
    readme.write_text("no markers", encoding="utf-8")
    with pytest.raises(SystemExit, match="markers"):
        report.fill_readme(readme, text)
