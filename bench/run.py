# SPDX-License-Identifier: BSD-3-Clause
"""npconv against its peers, layer by layer, by one protocol (see timing.py).

python bench/run.py                              every set, both layouts, one thread and all
python bench/run.py --only resnet50,lenet --threads 1 --runs 3 --json bench/results/x.json --chart x.png
python bench/run.py --list                       the sets and their layers
python bench/run.py pool --runs 3                pooling, its gradients, filters of one image
python bench/run.py adjoint --runs 3             transposed convolutions and gradients
python bench/run.py sweep --chart docs/sweep.png npconv alone over maps and channels
python bench/run.py compare A.json B.json        two results, or two sweeps, side by side
python bench/run.py chart A.json A.png           the picture of a result, or of a sweep
python bench/run.py show A.json                  the tables of a result again
python bench/run.py odd A.json [B.json]          Winograd's odd layers against what the regular ones predict
python bench/run.py readme                       the tables of README.md from bench/results
python bench/run.py COMMAND --help               all options
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import npconv
import report as reports
import results_io
import winograd_odd
from adjoint_layers import ADJOINT_SETS, AdjointSet
from layer_sets import SETS, LayerSet
from machine import ROOT, OtherWork, commit, describe, versions
from pool_layers import POOL_SETS, PoolSet
from timing import FULL_ROUNDS, FULL_RUNS, FULL_SECONDS, Protocol

COMMANDS = ("run", "pool", "adjoint", "sweep", "compare", "show", "odd", "chart", "readme")
MEASURED: dict[str, Mapping[str, Any]] = {
    "run": SETS,
    "pool": POOL_SETS,
    "adjoint": ADJOINT_SETS,
}  # their layer sets
LAYOUTS = ("channels_first", "channels_last")
BUSY = 0.05  # share of the cores' time that other processes may have


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def arguments(argv: list[str]) -> argparse.Namespace:
    if not argv or (argv[0] not in COMMANDS and argv[0] not in ("-h", "--help")):
        argv = ["run", *argv]
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="measure layer sets (the default)")
    _choosing(run, SETS)
    run.add_argument(
        "--calls", type=words, default=["plan"], help="plan,plain: plain calls are compared with torch"
    )
    run.add_argument("--direct", action="store_true", help="npconv's gemm, and ncnn without Winograd")
    _measuring(run, rounds=FULL_ROUNDS, seconds=FULL_SECONDS)
    _convolving(run)

    pool = commands.add_parser("pool", help="measure pooling")
    _choosing(pool, POOL_SETS)
    _measuring(pool, rounds=FULL_ROUNDS, seconds=FULL_SECONDS)

    adjoint = commands.add_parser("adjoint", help="measure transposed convolutions and gradients")
    _choosing(adjoint, ADJOINT_SETS)
    _measuring(adjoint, rounds=FULL_ROUNDS, seconds=FULL_SECONDS)

    sweep = commands.add_parser("sweep", help="npconv alone over a grid of maps and channels")
    sweep.add_argument("--layout", default="channels_first", choices=LAYOUTS)
    _measuring(sweep, rounds=3, seconds=0.005)
    _convolving(sweep)

    compare = commands.add_parser("compare", help="two results side by side")
    compare.add_argument("files", nargs=2, type=Path, metavar="JSON")

    show = commands.add_parser("show", help="the tables of a result again")
    show.add_argument("json", type=Path)

    odd = commands.add_parser("odd", help="Winograd on odd layers: measured against predicted times")
    odd.add_argument("files", nargs="+", type=Path, metavar="JSON", help="with winograd and winograd-odd")

    chart = commands.add_parser("chart", help="the picture of a result or of a sweep")
    chart.add_argument("json", type=Path)
    chart.add_argument("picture", type=Path)

    readme = commands.add_parser(
        "readme", help="put the table made from results between the README's markers"
    )
    readme.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    readme.add_argument("--readme", type=Path, default=ROOT / "README.md")
    args = parser.parse_args(argv)
    if args.command in MEASURED:
        _check(parser, args)
    return args


def _choosing(parser: argparse.ArgumentParser, sets: Mapping[str, LayerSet | PoolSet | AdjointSet]) -> None:
    """What is measured, against whom, how often."""
    parser.add_argument(
        "--only", type=words, default=list(sets), metavar="SETS", help=f"of {', '.join(sets)}"
    )
    parser.add_argument("--match", default="", help="only layers whose name holds this text")
    parser.add_argument("--layout", type=words, default=list(LAYOUTS), help="channels_first,channels_last")
    parser.add_argument(
        "--peers", type=words, default=None, help="of torch, ort, openvino, ncnn, litert, scipy"
    )
    parser.add_argument("--no-peers", action="store_true", help="npconv alone")
    parser.add_argument("--list", action="store_true", help="print the sets and their layers, and stop")
    parser.add_argument("--runs", type=int, default=1, help=f"repeat everything; a claim needs {FULL_RUNS}")


def _measuring(parser: argparse.ArgumentParser, rounds: int, seconds: float) -> None:
    """How it is measured, and where the result goes."""
    cores = npconv.get_num_threads()
    counts = sorted({1, cores})
    many = not parser.prog.endswith("sweep")
    default: Any = counts if many else 1
    kind: Any = (lambda text: [int(n) for n in words(text)]) if many else int
    parser.add_argument(
        "--threads", type=kind, default=default, help="default: 1 and all" if many else "default: 1"
    )
    parser.add_argument(
        "--isa", default=npconv._core._isa(), choices=npconv._core._isa_names(), help="of npconv"
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--min-seconds", type=float, default=seconds, help="least length of a timed block")
    parser.add_argument("--json", type=Path, help="keep the result here")


def _convolving(parser: argparse.ArgumentParser) -> None:
    """What convolutions alone have."""
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--algorithm", default=None, help="npconv's algorithm; auto where not given")
    parser.add_argument("--chart", type=Path, help="draw the result here (PNG)")


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    sets = MEASURED[args.command]
    for option, known in (("only", sets), ("layout", LAYOUTS), ("calls", ("plan", "plain"))):
        for word in getattr(args, option, ()):
            if word not in known:
                parser.error(f"--{option}: {word!r} is none of {', '.join(known)}")
    if args.rounds < 2 or args.runs < 1 or min(args.threads) < 1:
        parser.error("--rounds begins at 2, --runs and --threads at 1")


def main(argv: list[str]) -> int:
    args = arguments(argv)
    if args.command == "compare":
        compare(*args.files)
    elif args.command == "show":
        print(reports.text(_result(args.json)))
    elif args.command == "odd":
        print(winograd_odd.text([table for path in args.files for table in _result(path).tables]))
    elif args.command == "readme":
        fill_readme(args.readme, args.results)
    elif args.command == "chart":
        draw(args.json, args.picture)
    elif args.command == "sweep":
        run_sweep(args)
    elif args.list:
        for s in MEASURED[args.command].values():
            print(
                f"{s.name}: {s.about}",
                *(f"  {getattr(y, 'count', 1)} x {y.name}" for y in s.make()),
                sep="\n",
            )
    else:
        run(args)
    return 0


def run(args: argparse.Namespace) -> None:
    import peers
    from adjoint_runner import run_adjoint
    from pool_runner import run_pooling
    from runner import run_convolution, run_table
    from tqdm import tqdm

    make_keys, run_layer, kind = {
        "run": (_keys, run_convolution, "conv"),
        "pool": (_pool_keys, run_pooling, "pool"),
        "adjoint": (_adjoint_keys, run_adjoint, "adjoint"),
    }[args.command]
    keys = make_keys(args)
    found, notes = ([], ["no peers, as asked"]) if args.no_peers else peers.load(args.peers, kind)
    protocol = Protocol(args.rounds, args.min_seconds, args.runs)
    sets = MEASURED[args.command]
    layers = {name: [y for y in sets[name].make() if args.match in y.name] for name in args.only}
    runs: dict[results_io.Key, list[results_io.Run]] = {key: [] for key in keys if layers[key.set]}
    if not runs:
        raise SystemExit(f"no layer's name holds {args.match!r}")
    others = OtherWork()
    total = args.runs * sum(len(layers[key.set]) for key in runs)
    with tqdm(total=total, disable=None, unit="layer") as bar:
        for _ in range(args.runs):
            for key, done in runs.items():
                done.append(run_table(key, layers[key.set], found, protocol, bar, run_layer))
    result = results_io.Report(
        date=_now(),
        commit=commit(),
        machine=describe(),
        versions=versions() | {peer.name: peer.version for peer in found},
        caveats=_caveats(args, protocol, found, notes, others.share()),
        notes=notes,
        protocol=asdict(protocol) | {"other_work": others.share()},
        tables=[
            results_io.Table(key, getattr(sets[key.set], "network", False) and not args.match, done)
            for key, done in runs.items()
        ],
    )
    print(reports.text(result))
    if args.json:
        results_io.save(result, args.json)
    if getattr(args, "chart", None):
        import chart

        chart.bars(result, args.chart)


def _keys(args: argparse.Namespace) -> list[results_io.Key]:
    algorithm = args.algorithm or ("gemm" if args.direct else "auto")
    return [
        results_io.Key(name, layout, threads, args.dtype, calls, args.isa, algorithm, args.direct)
        for name in args.only
        for calls in args.calls
        for layout in args.layout
        for threads in args.threads
    ]


def _adjoint_keys(args: argparse.Namespace) -> list[results_io.Key]:
    return [
        results_io.Key(name, layout, threads, isa=args.isa)
        for name in args.only
        for layout in args.layout
        for threads in args.threads
    ]


def _pool_keys(args: argparse.Namespace) -> list[results_io.Key]:
    keys = [
        results_io.Key(name, layout, threads, calls="plain", isa=args.isa, kind="pool")
        for name in args.only
        for layout in args.layout
        if layout in POOL_SETS[name].layouts
        for threads in args.threads
    ]
    if not keys:
        raise SystemExit(f"{', '.join(args.only)}: not in {', '.join(args.layout)}")
    return keys


def _caveats(
    args: argparse.Namespace, protocol: Protocol, found: list[Any], notes: list[str], others: float
) -> list[str]:
    caveats = []
    if protocol.shortened:
        rounds = f"{FULL_ROUNDS} rounds of {FULL_SECONDS * 1e3:.0f} ms"
        caveats.append(
            f"shortened: {protocol.rounds} rounds of {protocol.seconds * 1e3:.0f} ms, not {rounds}"
        )
    if protocol.runs < FULL_RUNS:
        caveats.append(f"{protocol.runs} of {FULL_RUNS} runs")
    if args.match:
        caveats.append("not all layers")
    if others > BUSY:
        caveats.append(f"other work had {others:.0%} of the cores' time")
    caveats += [f"{peer.name} {peer.version} is older than {peer.minimum}" for peer in found if peer.too_old]
    caveats += notes if not args.peers else [f"only these peers: {', '.join(args.peers)}"]
    return caveats


def run_sweep(args: argparse.Namespace) -> None:
    import sweep

    protocol = Protocol(args.rounds, args.min_seconds)
    algorithm = args.algorithm or "auto"
    swept = sweep.Sweep(args.layout, args.dtype, args.threads, args.isa, algorithm, protocol)
    grids = swept.grids()
    about = {
        "title": f"npconv, {args.layout}, {args.dtype}, {args.isa}, {args.threads} thread(s), {algorithm}",
        "date": _now(),
        "commit": commit(),
        "machine": describe(),
        "versions": versions(),
        "peak": round(swept.peak.gflops, 2),
    }
    print(f"{about['title']}; FMA peak {swept.peak.gflops:.1f} GFLOP/s a core")
    print(sweep.text(grids))
    if args.json:
        sweep.save(grids, about, args.json)
    if args.chart:
        _draw_sweep(about, grids, args.chart)


def compare(a: Path, b: Path) -> None:
    import sweep

    if is_sweep(a) and is_sweep(b):
        print(sweep.compare(sweep.load(a)[1], sweep.load(b)[1]))
        return
    print(reports.compare(_result(a), _result(b)))


def _result(path: Path) -> results_io.Report:
    try:
        return results_io.load(path)
    except ValueError as error:
        raise SystemExit(str(error)) from error


def draw(source: Path, picture: Path) -> None:
    import chart
    import sweep

    if is_sweep(source):
        _draw_sweep(*sweep.load(source), picture)
    else:
        result = results_io.load(source)
        if any(reports.is_pool(table) for table in result.tables):
            raise SystemExit("there is no picture of pooling: its bars would be of operations")
        chart.bars(result, picture)


def fill_readme(readme: Path, results: Path) -> None:
    """Both tables; that of pooling only where there is one, and a place for it."""
    reports.fill_readme(readme, reports.readme_table(results))
    pooling = reports.readme_pool_table(results)
    if pooling is None:
        print(f"no complete result of pooling in {results}: its table is left as it is")
        return
    try:
        reports.fill_readme(readme, pooling, reports.POOL_MARKERS)
    except SystemExit as error:
        print(f"the table of pooling is left out: {error}")


def is_sweep(path: Path) -> bool:
    return "about" in json.loads(path.read_text(encoding="utf-8"))


def _draw_sweep(about: dict[str, Any], grids: Any, picture: Path) -> None:
    import chart

    title = f"{about['title']}; {about['machine']['cpu']}, {about['date'][:10]}, commit {about['commit']}"
    chart.heat_map(grids, title, picture)


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
