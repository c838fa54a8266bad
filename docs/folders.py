# SPDX-License-Identifier: BSD-3-Clause
"""docs/folders.svg: the folders of cpp/ and which includes which, read from the #include lines.

python docs/folders.py            draws the picture
python docs/folders.py --check    ends with 1 if the picture is not what would be drawn

Both end with 1 and a list of faults if a folder includes one that comes after it, files include each other in
a circle, or no file includes a header. tests/test_includes.py calls the functions of this file.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).with_name("folders.svg")
SUFFIXES = {".cpp", ".hpp", ".inl", ".inc"}

# A folder includes only itself and the folders above it in this list.
FOLDERS = {
    "core": "shapes, element types, views, buffers, threads, validation",
    "simd": "Vec: one header for each instruction set",
    "kernels": "innermost loops, and a table of them for each instruction set",
    "plan": "decides: algorithm, tiling, format of packed weights",
    "algorithms": "packs and runs what was decided",
    "bindings": "Python arguments, arrays, plans; the only pybind11",
}
TESTS = "tests"  # may include everything

Graph = Mapping[str, set[str]]


def instruction_sets(cpp: Path) -> list[str]:
    return sorted({path.stem for path in cpp.glob("simd/*.hpp")} - {"integers"})


def includes(cpp: Path = ROOT / "cpp") -> dict[str, set[str]]:
    """The files of the project that each source file includes; all names are relative to `cpp`.

    `#include NAME` includes what the build defines NAME as, for every instruction set.
    """
    build = "".join(path.read_text(encoding="utf-8") for path in sorted(cpp.rglob("*.cmake")))
    sources = sorted(path for path in cpp.rglob("*") if path.suffix in SUFFIXES)
    names = {path.relative_to(cpp).as_posix() for path in sources}
    result: dict[str, set[str]] = {}
    for path in sources:
        text = path.read_text(encoding="utf-8")
        given = re.findall(r'^\s*#include "(.+)"', text, re.MULTILINE)
        for name in re.findall(r"^\s*#include (\w+)", text, re.MULTILINE):
            for defined in re.findall(rf'\b{name}="(.+?)"', build):
                given += [defined.replace("${isa}", isa) for isa in instruction_sets(cpp)]
        folder = path.relative_to(cpp).parent.as_posix()
        both = [{name, f"{folder}/{name}"} for name in given]
        result[path.relative_to(cpp).as_posix()] = {name for pair in both for name in pair & names}
    return result


def folder_of(file: str) -> str:
    return file.split("/")[0]


def folder_includes(files: Graph) -> dict[str, set[str]]:
    """Which other folders each folder includes, without the tests."""
    result: dict[str, set[str]] = {name: set() for name in FOLDERS}
    for file, included in files.items():
        if folder_of(file) != TESTS:
            result[folder_of(file)] |= {folder_of(other) for other in included} - {folder_of(file)}
    return result


def unknown_folders(files: Graph) -> list[str]:
    return sorted({folder_of(file) for file in files} - FOLDERS.keys() - {TESTS})


def against_the_order(files: Graph) -> list[str]:
    """Includes of a folder that comes later in FOLDERS, and includes of the tests."""
    place = {name: number for number, name in enumerate([*FOLDERS, TESTS])}
    return [
        f"cpp/{file} includes {other}, but {folder_of(file)} comes before {folder_of(other)}"
        for file, included in files.items()
        for other in sorted(included)
        if place[folder_of(other)] > place[folder_of(file)]
    ]


def circle(graph: Graph) -> list[str]:
    """The names of one circle, the first of them twice; empty if there is none."""
    done: set[str] = set()
    for start in graph:
        way, choices = [start], [iter(sorted(graph[start]))]
        while way:
            following = next(choices[-1], None)
            if following is None:
                choices.pop()
                done.add(way.pop())
            elif following in way:
                return [*way[way.index(following) :], following]
            elif following not in done:
                way.append(following)
                choices.append(iter(sorted(graph.get(following, ()))))
    return []


def unused_headers(files: Graph) -> list[str]:
    """Headers that no file includes, or the tests alone include though they are not of the tests."""
    used = {other for file, included in files.items() if folder_of(file) != TESTS for other in included}
    used |= {other for included in files.values() for other in included if folder_of(other) == TESTS}
    return [file for file in files if not file.endswith(".cpp") and file not in used]


def faults(files: Graph) -> list[str]:
    unknown = [f"cpp/{name} is not in FOLDERS of docs/folders.py" for name in unknown_folders(files)]
    if unknown:
        return unknown
    round_trips = [circle(folder_includes(files)), circle(files)]
    return [
        *against_the_order(files),
        *(f"a circle of includes: {' -> '.join(names)}" for names in round_trips if names),
        *(f"no file includes cpp/{name}" for name in unused_headers(files)),
    ]


WIDTH, HEIGHT, STEP_X, STEP_Y, MARGIN = 112, 38, 76, 72, 24  # of a box, from box to box, around the picture


def drawing(graph: Graph) -> str:
    """The SVG: boxes on a diagonal, and a line from the left of each to the foot of what it includes.

    A dot joins a row to a column; where lines cross without a dot, nothing is included.
    """
    left = {name: MARGIN + place * STEP_X for place, name in enumerate(FOLDERS)}
    top = {name: MARGIN + place * STEP_Y for place, name in enumerate(FOLDERS)}
    lines, dots, boxes = [], [], []
    for name, said in FOLDERS.items():
        users = [user for user in FOLDERS if name in graph[user]]
        x, y = left[name], top[name]
        middle = x + WIDTH // 2
        if users:
            end = top[users[-1]] + HEIGHT // 2
            lines.append(f'<path d="M{middle} {end}V{y + HEIGHT + 9}" marker-end="url(#head)"/>')
        if graph[name]:
            reach = min(left[used] for used in graph[name]) + WIDTH // 2
            lines.append(f'<path d="M{x} {y + HEIGHT // 2}H{reach}"/>')
        dots += [f'<circle cx="{middle}" cy="{top[user] + HEIGHT // 2}" r="4"/>' for user in users]
        boxes.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
        boxes.append(f'<text x="{middle}" y="{y + 24}" class="name">{name}</text>')
        boxes.append(f'<text x="{x + WIDTH + 14}" y="{y + 24}">{said}</text>')
    width, height = max(left.values()) + WIDTH + 14 + 380, max(top.values()) + HEIGHT + MARGIN
    said = "; ".join(f"{name} includes {', '.join(sorted(graph[name])) or 'no other'}" for name in FOLDERS)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>The folders of cpp/: a line goes from a folder to each folder that it includes</title>",
            f"<desc>{said}</desc>",
            "<style>text { font: 14px sans-serif; fill: #333 }"
            " .name { font-weight: bold; text-anchor: middle }"
            " rect { fill: #eaf1f8; stroke: #4c78a8 } path { fill: none; stroke: #4c78a8; stroke-width: 1.5 }"
            " circle, marker path { fill: #4c78a8; stroke: none }</style>",
            '<marker id="head" markerWidth="9" markerHeight="8" refX="0" refY="4" orient="auto"'
            ' markerUnits="userSpaceOnUse"><path d="M0 0L9 4L0 8Z"/></marker>',
            f'<rect width="{width}" height="{height}" style="fill: white; stroke: none"/>',
            *lines,
            *dots,
            *boxes,
            "</svg>\n",
        ]
    )


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if the picture is old")
    check = parser.parse_args().check
    files = includes()
    found = faults(files)
    if not found:
        picture = drawing(folder_includes(files))
        if not check:
            PICTURE.write_text(picture, encoding="utf-8")
        elif not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != picture:
            found = ["docs/folders.svg is older than the includes: run python docs/folders.py"]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
