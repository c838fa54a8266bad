# SPDX-License-Identifier: BSD-3-Clause
"""code_counts.py on small sources whose counts are known, and on the project's own."""

from __future__ import annotations

from pathlib import Path

import code_counts
import pytest
from code_counts import Source, without_comments


def source(text: str, name: str = "cpp/plan/some.cpp") -> Source:
    return Source(name, text, without_comments(text))


def lines(found: list[code_counts.Found]) -> list[int]:
    return [one.line for one in found]


def test_comments_strings_and_characters_are_blank_and_lines_stay() -> None:
    text = 'a /* {\n} */ b // {\n"\\"{" \'{\' R"x({\n)")x" 1\'000\'000 c\n'
    code = without_comments(text)
    assert code.count("\n") == text.count("\n")
    assert code.split() == ["a", "b", "1'000'000", "c"]


FUNCTIONS = """\
namespace npconv {
namespace {

struct Shape {
    int size() const { return n; }
    int n = int{3};
};

template <class T, int (*f)(int)>
T sum(
    T a) {
    auto twice = [](int b) {
        return 2 * b;
    };
    for (;;) {
    }
    return a + twice(f(3));
}

#define NPCONV_BODY(X) void X() { {
class Plan {
public:
    explicit Plan(int a)
        : a_{a}, b_{a} {
        run();
    }
};

template <class T>
class Other {
    void f(std::initializer_list<T> a = {}) {
    }
};

constexpr int table[] = {one(2), (2)};
constinit const Table NPCONV_OF_ISA(table) = {one<float>(), two()};
enum class Kind : int { one, two };

}  // namespace
}  // namespace npconv
"""


def test_functions_are_found_with_their_lines() -> None:
    found = {place.text: (place.line, length) for place, length in code_counts.functions(source(FUNCTIONS))}
    assert found == {
        "int size() const { return n; }": (5, 1),
        "T sum(": (9, 10),
        "explicit Plan(int a)": (23, 4),
        "void f(std::initializer_list<T> a = {}) {": (31, 2),
    }


def test_instantiations_count_lines_macros_and_their_uses() -> None:
    text = """\
template <class T>
void f(T) {}
template void f(float);
template class Plan<double>;
#define NPCONV_ONE(X) template void g(X);
#define NPCONV_TWO(X)      \\
    template void h(X);    \\
    template void i(X);
#define NPCONV_OTHER(X) g(X)
NPCONV_ONE(float)
NPCONV_TWO(float)
NPCONV_TWO(double)
NPCONV_OTHER(float)
// template void f(double);
"""
    assert lines(code_counts.instantiations(source(text))) == [3, 4, 5, 7, 8, 10, 11, 12]


def test_calls_that_tile_are_those_of_functions_of_the_plan() -> None:
    header = source(
        "GemmTiling tile_gemm(const Problem& p);\nTiling pieces(int);\nint tile_of(int);\n", "cpp/plan/t.hpp"
    )
    inside = source("GemmTiling t = tile_gemm(p);\n")
    caller = source(
        "auto a = tile_gemm(p);  // tile_gemm(p)\nauto b = pieces(3) + pieces<4>(3);\n"
        "t.tile_of(3); tile_step(3);\n",
        "cpp/algorithms/caller.cpp",
    )
    assert lines(code_counts.tilings([header, inside, caller])) == [1, 2, 2]


def test_switches_over_algorithms_are_told_from_others() -> None:
    text = """\
switch (one) {
    case Algorithm::gemm: { return 1; }
}
switch (choice.algorithm) {
}
switch (border) {
    case Border::zeros: return Algorithm::gemm;
}
"""
    assert lines(code_counts.algorithm_switches(source(text))) == [1, 4]


def test_mutable_globals_are_told_from_constants_and_functions() -> None:
    text = """\
GemmLimits limits;
std::atomic<int> runs{0}, others{0};
auto& memory = *new std::array<int, 64>;
const int a = 1;
constexpr std::array<int, 2> b{1, 2};
extern int c;
void set_limits(const GemmLimits& wanted);
using Size = std::int64_t;
int count() {
    static std::atomic<int> calls{0};
    static const int once = 1;
    int local = 3;
    thread_local static int mine = 1;
}
"""
    assert lines(code_counts.mutable_globals(source(text))) == [1, 2, 3, 10, 13]


def test_the_counts_of_the_project_are_printed_and_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["code_counts.py", "--list"])
    code_counts.main()
    listed = capsys.readouterr().out
    counted = code_counts.counts()
    assert f"{len(counted)} counts" == f"{sum(line[6].isdigit() for line in listed.splitlines())} counts"
    number = {count.name: count.number for count in counted}
    folders = [n for name, n in number.items() if name.startswith("lines of C++ in ")]
    assert (
        sum(folders)
        == number["lines of C++ outside tests"]
        > number["of them neither blank nor a comment"]
        > 0
    )
    assert len(folders) == 6


def test_long_files_and_functions_are_told_with_their_lengths(tmp_path: Path) -> None:
    folder = tmp_path / "cpp" / "plan"
    folder.mkdir(parents=True)
    body = "    f();\n" * 79
    (folder / "long.cpp").write_text(
        f"void f() {{\n{body}}}\nvoid g() {{\n{body}{body}}}\n" + "\n" * 300, "utf-8"
    )
    number = {count.name: (count.number, count.found) for count in code_counts.counts(tmp_path)}
    assert number["files above 450 lines"] == (1, ["cpp/plan/long.cpp: 541 lines"])
    said = ["cpp/plan/long.cpp:1: void f() { (81 lines)", "cpp/plan/long.cpp:82: void g() { (160 lines)"]
    assert number["functions above 80 lines"] == (2, said)
