# SPDX-License-Identifier: BSD-3-Clause
"""The codebase itself: stubs, versions, symbols of the extension, isolation, file sizes, docs that run."""

from __future__ import annotations

import doctest
import importlib.metadata
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import npconv
import numpy as np
import pytest
from npconv import _core
from rules import needs_plain_memory

ROOT = Path(__file__).parents[1]
EXTENSION = Path(_core.__file__)
SOURCES = [
    path
    for folder in ("cpp", "python", "tests", "bench", "examples", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".cpp", ".hpp", ".inl", ".py", ".pyi", ".cmake"} and "__pycache__" not in path.parts
]


def test_the_stubs_say_what_the_extension_has() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "npconv._core"], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_stubs_name_every_member_of_the_extension_and_no_other() -> None:
    stub = Path(npconv.__file__).with_name("_core.pyi").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:def |class )?(\w+)(?=\(|:)", stub, re.MULTILINE))
    present = {name for name in vars(_core) if not name.startswith("__") or name == "__version__"}
    assert named == present
    methods = set(re.findall(r"^    def (\w+)\(", stub, re.MULTILINE))
    pybind = {"_pybind11_conduit_v1_"}
    assert methods == {name for name in vars(_core.Plan) if not name.startswith("__")} - pybind | {
        "__init__",
        "__call__",
    }


def test_types_are_strict() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "-p", "npconv"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_versions_agree() -> None:
    declared = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert declared
    assert npconv.__version__ == _core.__version__ == importlib.metadata.version("npconv") == declared[1]
    assert f"## {declared[1]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_extension_exports_its_init_function_alone() -> None:
    nm = shutil.which("nm")
    assert nm, "nm comes with the compiler's binutils"
    lines = subprocess.run(
        [nm, "-D", "--defined-only", str(EXTENSION)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {line.split()[-1] for line in lines} == {"PyInit__core"}


def test_the_gil_is_released_in_one_place() -> None:
    releases = re.compile(
        r"gil_scoped_release|call_guard|PyEval_(Save|Restore|Release)Thread|Py_(BEGIN|UNBLOCK)_"
    )
    places = {p.name for p in (ROOT / "cpp").rglob("*.?pp") if releases.search(p.read_text(encoding="utf-8"))}
    assert places == {"without_gil.cpp"}


def test_kernel_sources_include_no_code_but_their_own() -> None:
    allowed = {"cstdint", "immintrin.h", "emmintrin.h", "arm_neon.h"}
    for path in [*(ROOT / "cpp/kernels").glob("*.inl"), ROOT / "cpp/kernels/gemm.cpp",
                 *(ROOT / "cpp/simd").glob("*.hpp"), ROOT / "cpp/kernels/table.hpp"]:  # fmt: skip
        includes = set(re.findall(r"#include <(.*)>", path.read_text(encoding="utf-8")))
        assert includes <= allowed, f"{path.name} includes {includes - allowed}"


def test_the_baseline_runs_on_a_processor_without_avx() -> None:
    """The proof that no AVX leaks into it; where qemu is not installed, the nox target says so."""
    needs_plain_memory()
    qemu = shutil.which("qemu-x86_64")
    if qemu is None or "baseline" not in _core._isa_names():
        pytest.skip("qemu-x86_64 is not installed")
    code = (
        "import npconv, numpy as np\n"
        "assert npconv.show_config('dict')['isa_available'] == ['baseline']\n"
        "rng = np.random.default_rng(0)\n"
        "for dtype in ('f4', 'f8'):\n"
        "  for layout, shape in (('channels_first', (2, 5, 9, 8)), ('channels_last', (2, 9, 8, 5))):\n"
        "    x = rng.integers(-9, 9, shape).astype(dtype)\n"
        "    w = rng.integers(-9, 9, (7, 5, 3, 3)).astype(dtype)\n"
        "    for f in (None, 'relu', 'gelu', 'gelu_tanh', 'silu', 'tanh', 'sigmoid', 'hardswish'):\n"
        "      y = [npconv.conv2d(x, w, padding=1, layout=layout, activation=f, algorithm=a)\n"
        "           for a in ('gemm', 'naive')]\n"
        "      assert np.allclose(*y, rtol=1e-6, atol=0), (dtype, layout, f)\n"
        "print('baseline')\n"
    )
    command = [qemu, "-cpu", "Nehalem", sys.executable, "-c", code]
    # NumPy's OpenBLAS may be told to take the kernels of a processor that this one is not.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert (result.returncode, result.stdout) == (0, "baseline\n"), result.stderr


def test_each_instruction_set_has_the_vectors_it_says(isa: str) -> None:
    assert _core._vector_bytes() == {"avx512": 64, "avx2": 32, "baseline": 16, "neon": 16}[isa]
    npconv.conv1d(np.ones(9), np.ones(3))


def test_a_fused_multiply_add_rounds_once_where_the_instruction_set_has_one(isa: str) -> None:
    # (1 + u)^2 = 1 + 2u + u^2 exactly; the product alone rounds to 1 + 2u, and minus (1 + 2u) is 0 or u^2.
    u = 2.0**-30
    y = npconv.conv1d(np.array([1 + 2 * u, 1 + u]), np.array([-1.0, 1 + u]))
    assert y[0] == (0.0 if isa == "baseline" else u**2)


def test_no_file_is_longer_than_600_lines() -> None:
    assert len(SOURCES) > 40
    longest = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {name: lines for name, lines in longest.items() if lines > 600}


def test_every_source_names_its_licence_in_one_line() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(
            ("# SPDX-License-Identifier: BSD-3-Clause", "// SPDX-License-Identifier: BSD-3-Clause")
        ), path


def test_the_files_that_the_developers_page_names_exist() -> None:
    """Some are named by the end of their path."""
    text = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    suffixes = "cpp|hpp|inl|py|pyi|md|svg|cmake"
    names = set(re.findall(rf"[`( ]((?:\w+/)*\w+\.(?:{suffixes}))[`) ]", text))
    assert len(names) > 40
    files = [
        path.as_posix()
        for folder in ("cpp", "python", "tests", "bench", "docs")
        for path in (ROOT / folder).rglob("*")
    ]
    missing = {name for name in names if not any(file.endswith(f"/{name}") for file in files)}
    assert {name for name in missing if "NAME" not in name} == set()


def test_flags_that_would_spoil_results_or_wheels_are_not_used() -> None:
    for path in [ROOT / "CMakeLists.txt", ROOT / "pyproject.toml", *(ROOT / "cpp").rglob("*.cmake")]:
        assert not re.search(r"-march=native|-ffast-math|-Ofast|-funsafe", path.read_text(encoding="utf-8"))


def test_python_files_have_no_star_imports_and_postponed_annotations() -> None:
    for path in (ROOT / "python").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import *" not in text
        assert "from __future__ import annotations" in text


@pytest.mark.parametrize(
    "name",
    ["npconv", *(f"npconv.{m.name}" for m in pkgutil.iter_modules(npconv.__path__) if m.name != "_core")],
)
def test_examples_in_docstrings_run(name: str) -> None:
    module = __import__(name, fromlist=["_"])
    assert doctest.testmod(module).failed == 0


def test_every_public_function_has_a_docstring_with_an_example() -> None:
    public = [
        (name, getattr(npconv, name))
        for name in npconv.__all__
        if name not in ("__version__", "ConvPlan", "SeparableConvPlan", "PoolPlan", "IndexedPoolPlan", "grad")
    ]
    plans = ("InputGradientPlan", "WeightGradientPlan")  # made by functions that have examples
    public += [
        (f"grad.{name}", getattr(npconv.grad, name)) for name in npconv.grad.__all__ if name not in plans
    ]
    assert len(public) > 60
    for name, thing in public:
        text = inspect.getdoc(thing) or ""
        assert "Examples\n--------" in text, name
        assert "Parameters\n----------" in text or not inspect.signature(thing).parameters, name


def test_the_python_of_the_readme_runs_and_prints_what_it_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    runner = doctest.DocTestRunner()
    examples = 0
    for block in blocks:
        test = doctest.DocTestParser().get_doctest(block, {"np": np, "npconv": npconv}, "README.md", None, 0)
        examples += len(test.examples)
        runner.run(test)
    assert examples >= 9
    assert runner.summarize(verbose=False).failed == 0
