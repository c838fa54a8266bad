# SPDX-License-Identifier: BSD-3-Clause
"""Counts of the source code: lines by folder, long files and functions, instantiations, tilings, switches.

python tests/code_counts.py            prints the counts
python tests/code_counts.py --list     and what was counted, one a line with its place

It reads the text, which clang-format has laid out, and no compiler: good enough to compare two states.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
CPP = {".cpp", ".hpp", ".inl", ".inc"}
LONGEST_FILE, LONGEST_FUNCTION = 450, 80


class Found(NamedTuple):
    """A place in the sources, and what is there."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class Source(NamedTuple):
    name: str  # relative to the root of the project
    text: str
    code: str  # the text with blanks for comments, strings and characters; lines are where they were

    @property
    def folder(self) -> str:
        return str(Path(self.name).parent)

    def found(self, pattern: str) -> list[Found]:
        """The matches of a pattern in the code; the text of each is its line."""
        lines = self.text.splitlines()
        numbers = [self.code.count("\n", 0, m.start()) for m in re.finditer(pattern, self.code, re.MULTILINE)]
        return [Found(self.name, number + 1, lines[number].strip()) for number in numbers]


def without_comments(text: str) -> str:
    """The text with a blank for each character of a comment, a string or a character constant."""
    pattern = (
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\''
    )
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL)


def sources(root: Path = ROOT, tests: bool = False) -> list[Source]:
    """The C++ of the project, without its tests unless they are wanted."""
    paths = [path for path in sorted((root / "cpp").rglob("*")) if path.suffix in CPP]
    names = [path.relative_to(root).as_posix() for path in paths]
    texts = {name: (root / name).read_text(encoding="utf-8") for name in names}
    return [
        Source(name, text, without_comments(text))
        for name, text in texts.items()
        if tests or not name.startswith("cpp/tests/")
    ]


BEFORE_A_DECLARATION = re.compile(r"^\s*(?:(?:public|private|protected):\s*)?")
SCOPE = re.compile(
    r"(?:template <.*>\s*)?(?:inline |static |constexpr |const )*(?:namespace|class|struct|union|enum)\b",
    re.DOTALL,
)


def functions(source: Source) -> Iterator[tuple[Found, int]]:
    """Each function with a body, and its lines from the first of its declaration to the closing brace.

    A lambda or a local class counts as a part of the function that holds it.
    """
    directive = re.compile(r"^[ \t]*#(?:.*\\\n)*.*$", re.MULTILINE)
    code = directive.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source.code)
    opened: list[tuple[bool, int]] = []  # of each open brace: a function's?, where its declaration begins
    begin = 0  # of the declaration that is being read
    for at in (m.start() for m in re.finditer(r"[{};]", code)):
        following = at + 1
        if code[at] == "{":
            head = BEFORE_A_DECLARATION.sub("", code[begin:at])
            closed = head.count("(") == head.count(")")
            outer = not any(function for function, _ in opened)
            function = (
                outer and closed and "(" in head and not head.rstrip().endswith("=") and not SCOPE.match(head)
            )
            opened.append((function, at - len(head) if closed else begin))
        elif code[at] == "}":
            function, start = opened.pop()
            rest = code[at + 1 :].lstrip()
            if function and not rest.startswith((",", "{")):
                first, last = code.count("\n", 0, start), code.count("\n", 0, at)
                lines = source.text.splitlines()[first : last + 1]
                named = next((line for line in lines if not line.lstrip().startswith("template <")), lines[0])
                yield Found(source.name, first + 1, named.strip()), len(lines)
            elif function or rest.startswith((",", ")")):
                following = (
                    start  # a member that a constructor initialises, or an argument: the body comes later
                )
        begin = following
    assert not opened, f"{source.name}: braces that do not match"


def instantiations(source: Source) -> list[Found]:
    """The lines of explicit instantiations, those in macros too, and the uses of such macros."""
    lines = source.found(r"^(?:#define .*\) | *)template (?!<)")
    for macro in re.findall(r"^#define (\w+)\((?:.*\\\n)*.*\btemplate (?!<)", source.code, re.MULTILINE):
        lines += source.found(rf"^ *{macro}\(")
    return sorted(lines)


def tilings(all_sources: list[Source]) -> list[Found]:
    """Calls, outside cpp/plan, of its functions that are named tile_... or return a ...Tiling."""
    names: set[str] = set()
    for source in all_sources:
        if source.folder == "cpp/plan" and source.name.endswith(".hpp"):
            names |= set(re.findall(r"^\w*Tiling (\w+)\(", source.code, re.MULTILINE))
            names |= set(re.findall(r"^[\w:<>]+ (tile_\w+)\(", source.code, re.MULTILINE))
    call = rf"(?<![\w.>])(?:{'|'.join(sorted(names))})(?:<\w+>)?\(" if names else r"(?!)"
    return [one for source in all_sources if source.folder != "cpp/plan" for one in source.found(call)]


def algorithm_switches(source: Source) -> list[Found]:
    """The switch statements whose cases are algorithms."""
    found = []
    for one in source.found(r"\bswitch \("):
        rest = "\n".join(source.code.splitlines()[one.line - 1 :])
        end = matching_brace(rest, rest.index("{"))
        if re.search(r"\bcase Algorithm::", rest[:end]) or re.match(r".*switch \(.*\balgorithm\b", rest):
            found.append(one)
    return found


def matching_brace(code: str, opening: int) -> int:
    depth = 0
    for m in re.finditer(r"[{}]", code[opening:]):
        depth += 1 if m[0] == "{" else -1
        if depth == 0:
            return opening + m.end()
    raise ValueError("a brace that nothing closes")


NOT_A_VARIABLE = (
    "using|struct|class|union|enum|template|namespace|return|const|constexpr|constinit const"
    "|inline constexpr|static constexpr|static const|static_assert|extern|friend|typedef"
    "|public|private|protected|else|case|delete|throw"
)


def mutable_globals(source: Source) -> list[Found]:
    """Variables at namespace scope that may change, static ones in functions, and those of a thread."""
    value = r"\w+(?:\{[^;]*\}| = [^;]*|\[[^;]*\]\{?.*)?(?:, \w+(?:\{[^;]*\})?)*;"
    scope = rf"^(?!(?:{NOT_A_VARIABLE})\b)[A-Za-z_][\w:<>,*& ]* [&*]?{value}"
    static = rf"^ +(?:\w+ )?static (?!const\b|constexpr\b)[\w:<>,*& ]* [&*]?{value}"
    return sorted({*source.found(scope), *source.found(static)})


class Count(NamedTuple):
    name: str
    number: int
    found: list[str]


def counts(root: Path = ROOT) -> list[Count]:
    """Everything that is counted, in the order in which it is printed."""
    code = sources(root)
    result = []
    for folder in sorted({source.folder for source in code}):
        lines = sum(len(source.text.splitlines()) for source in code if source.folder == folder)
        result.append(Count(f"lines of C++ in {folder}", lines, []))
    result.append(Count("lines of C++ outside tests", sum(one.number for one in result), []))
    filled = sum(bool(line.strip()) for source in code for line in source.code.splitlines())
    result.append(Count("of them neither blank nor a comment", filled, []))

    lengths = {source.name: len(source.text.splitlines()) for source in sources(root, tests=True)}
    for folder in ("python", "tests", "bench", "examples", "docs"):
        for path in sorted((root / folder).rglob("*.py")):
            lengths[path.relative_to(root).as_posix()] = len(path.read_text(encoding="utf-8").splitlines())
    files = [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LONGEST_FILE]
    result.append(Count(f"files above {LONGEST_FILE} lines", len(files), files))

    long = [one for source in code for one in functions(source) if one[1] > LONGEST_FUNCTION]
    said = [f"{place} ({lines} lines)" for place, lines in long]
    result.append(Count(f"functions above {LONGEST_FUNCTION} lines", len(long), said))

    for name, places in (
        ("lines of explicit instantiations", [one for source in code for one in instantiations(source)]),
        ("calls that tile outside cpp/plan", tilings(code)),
        ("switch statements over Algorithm", [one for source in code for one in algorithm_switches(source)]),
        ("comparisons with an Algorithm", [one for s in code for one in s.found(r"[!=]= Algorithm::\w+")]),
        ("setters of limits", [one for s in code for one in s.found(r"^void set_\w*limits\(.*\{")]),
        ("mutable globals", [one for source in code for one in mutable_globals(source)]),
    ):
        result.append(Count(name, len(places), [str(place) for place in places]))
    inside = [place for place in result[-1].found if place.startswith("cpp/plan/")]
    return [*result, Count("of them in cpp/plan", len(inside), inside)]


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="what was counted, too")
    listed = parser.parse_args().list
    for count in counts():
        print(f"{count.number:7,}  {count.name}")
        if listed:
            print(*(f"         {place}" for place in count.found), sep="\n", end="\n" if count.found else "")


if __name__ == "__main__":
    main()
