# SPDX-License-Identifier: BSD-3-Clause
"""The bench's figures, without its peers: best peer, middle of runs, cliffs, layer sets, the README."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import figures  # noqa: E402
import layer_sets  # noqa: E402
import pool_candidates  # noqa: E402
import pool_figures  # noqa: E402
import pool_layers  # noqa: E402
import pool_reference  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
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
    for layer_set in (*layer_sets.SETS.values(), *pool_layers.POOL_SETS.values()):
        names = [one.name for one in layer_set.make()]
        assert len(set(names)) == len(names), layer_set.name


def test_the_winograd_sets_have_their_layers() -> None:
    regular = [layer.name for layer in layer_sets.winograd()]
    resnet = ["64->64 at 56", "128->128 at 28", "256->256 at 14", "512->512 at 7"]
    vgg = ["64->64 at 224", "64->128 at 112", "128->128 at 112", "128->256 at 56", "256->256 at 56"]
    vgg += ["256->512 at 28", "512->512 at 28", "512->512 at 14"]
    assert regular == [f"3x3 {name}" for name in resnet + vgg]
    odd = layer_sets.winograd_odd()
    assert len(odd) == 11
    assert [layer.name for layer in odd if layer.batch == 8] == [
        "3x3 256->256 at 14 n8",
        "3x3 512->512 at 7 n8",
    ]
    assert all(layer.stride == (1, 1) and layer.output_size == layer.size for layer in odd)


def test_the_sets_beyond_3x3_have_their_layers() -> None:
    more = layer_sets.winograd_more()
    assert all(set(layer.stride) == {1} and layer.output_size == layer.size for layer in more)
    assert [sum(layer.rank == rank for layer in more) for rank in (1, 2, 3)] == [6, 6, 7]
    names = [layer.name for layer in more]
    for name in ("5x5 48->64 at 35", "7x1 192->192 at 17", "3x3 256->256 at 33 d12", "k7 256->256 at 1000"):
        assert name in names
    shared = set(layer_sets.conv3d()) & set(more)
    assert shared == set(layer_sets.c3d()[1:])
    strided = [layer.name for layer in layer_sets.strided()]
    assert strided == [
        "7x7 3->64 at 224 s2",
        "5x5 64->128 at 56 s2",
        "3x3 128->128 at 56 s2",
        "3x3 256->256 at 28 s2",
        "3x3 512->512 at 14 s2",
        "3x3 3->32 at 224 s2",
        "3x3x3 64->128 at 16x28x28 s2",
        "7x7x7 3->64 at 16x112x112 s2",
        "3x3 3->64 at 224",
    ]


def test_a_network_tells_its_share_of_the_best_peers() -> None:
    mixed = table(layer(1.0, torch=(1.5, 1e-7), ncnn=(2.0, 1e-6), fast=(0.5, 1e-4)))
    text = report._table(mixed)
    assert "npconv takes 0.667 of the best peer of each layer, 0.667 of the best single peer" in text
    total = figures.total_figures(mixed)
    assert (total.mix, "fast" in total.seconds) == (1.5, False)
    assert "npconv takes" not in report._table(replace(mixed, network=False))


def test_errors_stand_beside_each_other() -> None:
    text = report._table(table(layer(1.0, torch=(1.5, 2e-8), ncnn=(2.0, 8e-8))))
    _, errors = text.split("relative L2 error")
    assert errors.split("\n")[2].split()[2:] == ["1.0e-07", "2.0e-08", "8.0e-08"]
    assert "npconv's error above ncnn's: 1 of 1 layers; over ncnn's at most 1.25" in errors
    assert "relative L2 error" not in report._table(table(layer(1.0)))
    assert "ncnn's" not in report._table(table(layer(1.0, torch=(1.5, 2e-8))))


def test_one_layout_against_the_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = table(layer(1.0, torch=(2.0, 1e-7), ort=(3.0, 1e-7)))
    last = replace(first, key=replace(first.key, layout="channels_last"), runs=[Run(80.0, [layer(1.0)])])
    assert figures.layouts(first, last) == {"a layer": pytest.approx(1.25)}
    machine = {"cpu": "a processor", "cores": 2, "caches": "", "isa_available": ["avx512"]}
    save(Report("2026-11-23", "abc", machine, {}, [], [], {}, [first, last]), tmp_path / "both.json")
    run.main(["show", str(tmp_path / "both.json")])
    text = capsys.readouterr().out
    assert "npconv's speed over that channels first: geometric mean 1.25, lowest 1.25 (a layer)" in text
    assert "ratio to torch: geometric mean 2.00, lowest 2.00, 1 layers" in text
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SystemExit, match="not a result"):
        run.main(["show", str(tmp_path / "none.json")])


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
    more = Report("2026-11-26", "0123", machine, {"torch": "2", "ort": "1"}, [], [], {}, [runs])
    assert report._readme_origins([claim, more]) == [
        "Measured on a processor, 2 cores, avx512; torch 2, ort 1:"
    ]

    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.fill_readme(readme, text)
    assert readme.read_text(encoding="utf-8") == f"before\n{report.BEGIN}\n{text}\n{report.END}\nafter\n"
    readme.write_text("no markers", encoding="utf-8")
    with pytest.raises(SystemExit, match="markers"):
        report.fill_readme(readme, text)


def pool_table(*seconds: dict[str, float], set_name: str = "pooling") -> Table:
    """A table of one layer; the times of a run by candidate."""
    runs = [[Entry(name, "", t, t, t, 7, 0.0) for name, t in times.items()] for times in seconds]
    key = Key(set_name, "channels_last", 2, calls="plain", isa="avx512", kind="pool")
    return Table(key, False, [Run(100.0, [LayerRun("a layer", 1, 0, entries, {}, 8)]) for entries in runs])


def test_the_pooling_sets_have_their_layers() -> None:
    names = {name: [layer.name for layer in s.make()] for name, s in pool_layers.POOL_SETS.items()}
    assert names["pooling"] == [
        "max 3x3 64 at 112 s2 p1",
        "max 2x2 64 at 224 s2",
        "max 5x5 256 at 20 s1 p2",
        "avg 3x3 192 at 35 s1 p1",
        "avg 2x2 128 at 56 s2",
        "global avg 2048 at 7",
        "max 2x2x2 64 at 16x56x56 s2",
        "max k4 128 at 16000 s4",
        "avg k25 7 at 10000 s1 p12",
    ]
    assert names["pooling-gradients"] == [
        *names["pooling"],
        "avg 3x3 128 at 56 s2 p1",
        "max 3x3 192 at 35 s1 p1",
        "adaptive avg 7x7 256 at 32",
    ]
    assert names["filters"] == [f"{op} {k} 1 at 2048 s1 p{p}" for op in ("max", "min", "avg") for k, p in
                                [("5x5", 2), ("31x31", 15)]]  # fmt: skip
    disjoint = [layer.name for layer in pool_layers.pooling() if layer.disjoint]
    assert disjoint == [names["pooling"][i] for i in (1, 4, 5, 6, 7)]
    first = pool_layers.pooling()[0]
    assert first.y_shape("channels_last") == (1, 56, 56, 64)
    assert first.bytes == 4 * 64 * (112**2 + 56**2)


def test_a_copy_is_no_peer_and_the_faster_copy_counts() -> None:
    times = {"npconv": 1.0, "memcpy": 0.9, "memcpy, 1 thread": 0.5, "torch": 1.5, "litert": 1.2}
    runs = pool_table(times, {**times, "torch": 1.1, "memcpy, 1 thread": 0.6}, {**times, "litert": 1.3})
    (row,) = figures.layer_figures(runs)
    assert row.best is not None
    assert row.best.peer == "litert"
    assert figures.summary(runs).geomeans == pytest.approx([1.2, 1.1, 1.3])
    assert figures.summary(runs).share is None
    torch = figures.against(runs, "torch")
    assert torch is not None
    assert (torch.geomean, torch.lowest) == pytest.approx((1.5, 1.5))
    copy = figures.against(runs, "memcpy", "memcpy, 1 thread")
    assert copy is not None
    assert copy.geomeans == pytest.approx([0.5, 0.6, 0.5])
    assert figures.against(runs, "ort") is None
    text = report.pool_report.text(runs)
    assert "90% (1 thr 50%)" in text
    assert "ratio to torch: geometric mean 1.50 (runs: 1.50 1.10 1.50)" in text


def test_a_table_without_npconv_is_printed() -> None:
    text = report.pool_report.text(pool_table({"memcpy": 0.9, "torch": 1.5}))
    assert "torch" in text
    assert "geometric mean" not in text


def test_the_growth_with_the_kernel_is_that_of_npconv() -> None:
    layers = pool_layers.filters()
    times = {layer.name: max(layer.kernel) / 5 for layer in layers}
    entries = {name: [Entry("npconv", "", t, t, t, 7, 0.0)] for name, t in times.items()}
    run_of = Run(100.0, [LayerRun(name, 1, 0, found) for name, found in entries.items()])
    filters = Table(Key("filters", "channels_first", 1, kind="pool"), False, [run_of])
    wanted = {f"{op} 31x31 / 5x5": 6.2 for op in ("max", "min", "avg")}
    assert pool_figures.growth(filters) == wanted
    assert pool_figures.growth(pool_table({"npconv": 1.0})) == {}


TINY = (
    pool_layers.pool("max", 3, 9, 3, stride=2, padding=1),
    pool_layers.pool("avg", 3, 8, 3, stride=2, padding=1),
    pool_layers.pool("max", 2, (5, 6, 7), 2, stride=2),
    pool_layers.pool("min", 3, 9, 3, stride=1, padding=1),
    pool_layers.pool("avg", 5, (21,), 5, stride=1, padding=2),
    pool_layers.pool_to("avg", 6, 7, 1),
    pool_layers.pool_to("avg", 4, 8, 3),
)


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("gradient", [False, True])
def test_the_reference_of_pooling_agrees_with_npconv(layout: str, gradient: bool) -> None:
    for layer in TINY:
        problem = pool_candidates.PoolProblem.of(replace(layer, gradient=gradient), layout, 1)
        candidate = pool_candidates.ours(problem)
        candidate.call()
        error = pool_reference.error_of(problem, candidate.output(), pool_reference.reference(problem))
        assert error < 1e-6, layer.name
        wrong = candidate.output() + np.float32(0.01)
        assert pool_reference.error_of(problem, wrong, pool_reference.reference(problem)) > 1e-3


def test_a_copy_moves_as_many_bytes_as_the_layer() -> None:
    problem = pool_candidates.PoolProblem.of(pool_layers.pool_to("avg", 100, 7, 1), "channels_first", 3)
    by_three, by_one = pool_candidates.copies(problem)
    for candidate in (by_three, by_one):
        candidate.output().fill(0)
        candidate.call()
        assert candidate.output().all()
        assert 2 * candidate.output().nbytes == problem.layer.bytes
        candidate.close()


def test_the_table_of_pooling_in_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = {"cpu": "a processor", "cores": 2, "isa_available": ["avx512"]}
    pooling = pool_table(*[{"npconv": 1.0, "memcpy": 0.9, "torch": 1.5, "litert": 1.2}] * 3)
    convolutions = table(*[layer(1.0, torch=(1.3, 0.0))] * 3)
    claim = Report("2026-11-23 21:00 UTC", "abc", machine, {"torch": "2"}, [], [], {}, [convolutions])
    save(claim, tmp_path / "conv.json")
    readme = tmp_path / "README.md"
    begin, end = report.POOL_MARKERS
    plain = f"{report.BEGIN}\n{report.END}\n"
    readme.write_text(plain + f"{begin}\nold\n{end}\n", encoding="utf-8")
    run.fill_readme(readme, tmp_path)
    assert "no complete result of pooling" in capsys.readouterr().out
    assert f"{begin}\nold\n{end}" in readme.read_text(encoding="utf-8")

    save(replace(claim, tables=[pooling]), tmp_path / "pool.json")
    save(replace(claim, date="2026-11-24", caveats=["x"], tables=[pooling]), tmp_path / "later.json")
    assert load(tmp_path / "pool.json").tables == [pooling]
    run.fill_readme(readme, tmp_path)
    before, after = readme.read_text(encoding="utf-8").split(begin)
    assert "resnet50" in before
    assert "pooling" not in before
    ratios = "1.20 | 1.20 1.20 1.20 | 1.20 | 1.50, 1.50 | 1.20, 1.20 | 90%"
    assert f"| pooling | channels_last | 2 | {ratios} | 2026-11-23, abc |" in after

    readme.write_text(plain, encoding="utf-8")
    run.fill_readme(readme, tmp_path)
    assert "left out" in capsys.readouterr().out
    assert "resnet50" in readme.read_text(encoding="utf-8")
