# SPDX-License-Identifier: BSD-3-Clause
"""What is checked before a release. `nox --list` names the sessions; `nox -s tests lint` runs some."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.sessions = [
    "tests",
    "machines",
    "oldest",
    "examples",
    "overhead",
    "lint",
    "types",
    "cpp",
    "sanitizers",
    "nehalem",
    "arm",
]
nox.options.error_on_missing_interpreters = False
ROOT = Path(__file__).parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def need(session: nox.Session, *programs: str) -> None:
    """Skip a session, saying so, where what it needs of the system is not there."""
    missing = [p for p in programs if shutil.which(p) is None and not Path(p).exists()]
    if missing:
        session.skip(f"not installed: {', '.join(missing)}")


def cpp_tests(session: nox.Session, build: str, *options: str, only: str = "") -> None:
    """Configure, build and run the C++ tests, or those whose name holds `only`, in a folder of their own."""
    folder = str(ROOT / "build" / build)
    session.install("cmake", "ninja")
    switches = ["-DNPCONV_BUILD_PYTHON=OFF", "-DNPCONV_BUILD_TESTS=ON", "-DNPCONV_WARNINGS_AS_ERRORS=ON"]
    session.run("cmake", "-S", str(ROOT), "-B", folder, "-G", "Ninja", *switches, *options)
    session.run("cmake", "--build", folder)
    session.run("ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error", "-R", only)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite on each Python that is installed."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def machines(session: nox.Session) -> None:
    """The tests that rest on what is chosen, with each instruction set on each kind of core."""
    session.install(".[test]")
    session.run("python", "tests/pretended.py", *session.posargs)


@nox.session
def oldest(session: nox.Session) -> None:
    """The test suite with the oldest NumPy that is supported."""
    session.install(".[test]", "numpy==1.26.*", "scipy==1.11.*")
    session.run("pytest", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """All examples; look at the pictures that they name."""
    session.install(".[examples]")
    for name in ("edges", "upscale", "train_digits"):
        picture = Path(session.create_tmp()) / f"{name}.png"
        session.run("python", f"examples/{name}.py", "--output", str(picture))
        session.run(
            "python", "-c", f"import matplotlib.image as m; assert m.imread({str(picture)!r}).std() > 0.1"
        )


@nox.session
def overhead(session: nox.Session) -> None:
    """Import time, size of the wheel, cost of a call: fails beyond their limits. On a quiet machine."""
    folder = session.create_tmp()
    session.run("python", "-m", "pip", "wheel", "--no-deps", "-w", folder, ".")
    wheel = sorted(Path(folder).glob("npconv-*.whl"))[-1]
    session.install(str(wheel))
    session.run("python", "bench/overhead.py", "--wheel", str(wheel))


@nox.session
def lint(session: nox.Session) -> None:
    """ruff and clang-format."""
    session.install("ruff", "clang-format==18.*")
    python = ["python", "tests", "bench", "examples", "docs", "cpp", "noxfile.py"]
    session.run("ruff", "check", *python)
    session.run("ruff", "format", "--check", *python)
    sources = [str(p) for p in sorted((ROOT / "cpp").rglob("*")) if p.suffix in {".cpp", ".hpp", ".inl"}]
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """mypy and pyright, and the stubs against the extension."""
    session.install(".", "mypy", "pyright[nodejs]")
    session.run("mypy", "--strict", "-p", "npconv")
    session.run("python", "-m", "mypy.stubtest", "npconv._core")
    folder = session.create_tmp()  # the tests have mypy read what is written there, pyright reads it here
    session.run("python", "tests/typing_cases.py", folder)
    session.run("pyright", str(Path(folder) / "right.py"))


@nox.session
def cpp(session: nox.Session) -> None:
    """GoogleTest with GCC and with Clang, warnings as errors."""
    for compiler in ("g++", "clang++"):
        if shutil.which(compiler) is None:
            session.log(f"{compiler} is not installed: left out")
            continue
        cpp_tests(session, compiler, f"-DCMAKE_CXX_COMPILER={compiler}")
        session.env["CXX"] = compiler  # the bindings, too, without a warning
        session.install("-Ccmake.define.NPCONV_WARNINGS_AS_ERRORS=ON", ".")


@nox.session
def sanitizers(session: nox.Session) -> None:
    """C++ tests and the Python test suite with AddressSanitizer and UndefinedBehaviorSanitizer."""
    cpp_tests(session, "sanitized", "-DNPCONV_SANITIZE=address,undefined")
    session.install("-Ccmake.define.NPCONV_SANITIZE=address,undefined", "-Cbuild.targets=_core", ".[test]")
    libraries = [
        session.run("g++", f"-print-file-name=lib{name}.so", external=True, silent=True).strip()
        for name in ("asan", "ubsan", "stdc++")
    ]
    session.env["LD_PRELOAD"] = " ".join(libraries)
    # Python keeps memory until it ends, which is no leak of ours; an allocation that fails is to return null.
    session.env["ASAN_OPTIONS"] = "detect_leaks=0:allocator_may_return_null=1:handle_segv=0"
    session.env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    session.env["NPCONV_SANITIZED"] = "1"
    session.run("pytest", *session.posargs)


@nox.session
def nehalem(session: nox.Session) -> None:
    """The C++ tests and a part of the Python tests on an emulated processor without AVX."""
    need(session, "qemu-x86_64")
    cpp_tests(session, "g++", "-DCMAKE_CXX_COMPILER=g++", only="nehalem")
    session.install(".[test]")
    python = str(Path(session.bin) / "python")
    tests = ["tests/test_bound.py", "tests/test_activations.py"]
    # NumPy's OpenBLAS must not be told to take the kernels of another processor.
    session.env["OPENBLAS_CORETYPE"] = ""
    session.run("qemu-x86_64", "-cpu", "Nehalem", python, "-m", "pytest", *tests, external=True)


@nox.session
def arm(session: nox.Session) -> None:
    """Cross-build for 64-bit ARM with Debian's compiler; the C++ tests under qemu."""
    need(session, "aarch64-linux-gnu-g++", "qemu-aarch64")
    toolchain = ROOT / "cpp" / "cmake" / "aarch64.toolchain.cmake"
    cpp_tests(session, "arm", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
