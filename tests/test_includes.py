# SPDX-License-Identifier: BSD-3-Clause
"""Which file of cpp/ includes which: the order of the folders, circles, unused headers, the picture."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "folders.py"


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("folders", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


folders = _script()
FILES = folders.includes()


def test_every_folder_has_a_place_in_the_order() -> None:
    assert not folders.unknown_folders(FILES)


def test_no_folder_includes_one_that_comes_after_it() -> None:
    assert not folders.against_the_order(FILES)


def test_neither_folders_nor_files_include_each_other_in_a_circle() -> None:
    assert not folders.circle(folders.folder_includes(FILES))
    assert not folders.circle(FILES)


def test_every_header_has_a_user_outside_the_tests() -> None:
    assert not folders.unused_headers(FILES)


def test_every_include_in_quotes_is_a_file_of_the_project() -> None:
    """One that the script could not find would be an edge that it does not see."""
    for file, included in FILES.items():
        text = (SCRIPT.parents[1] / "cpp" / file).read_text(encoding="utf-8")
        assert text.count('#include "') <= len(included), file


def test_the_picture_is_up_to_date() -> None:
    result = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_old_picture_is_told_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "folders.svg"
    monkeypatch.setattr(folders, "PICTURE", picture)
    monkeypatch.setattr(sys, "argv", ["folders.py", "--check"])
    assert folders.main() == 1
    picture.write_text("<svg/>", encoding="utf-8")
    assert folders.main() == 1
    assert "docs/folders.svg is older than the includes" in capsys.readouterr().err
    assert picture.read_text(encoding="utf-8") == "<svg/>"
    monkeypatch.setattr(sys, "argv", ["folders.py"])
    assert folders.main() == 0
    assert picture.read_text(encoding="utf-8") == folders.drawing(folders.folder_includes(FILES))


def test_the_picture_has_a_dot_for_each_folder_that_a_folder_includes() -> None:
    graph = folders.folder_includes(FILES)
    picture = ElementTree.fromstring(folders.PICTURE.read_text(encoding="utf-8"))
    assert len(picture.findall("{*}circle")) == sum(map(len, graph.values())) > 8
    names = [text.text for text in picture.findall("{*}text[@class='name']")]
    assert names == list(folders.FOLDERS)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small cpp/ without a fault."""
    sources = {
        "core/types.hpp": "#pragma once\n",
        "core/types.cpp": '#include "core/types.hpp"\n',
        "simd/avx2.hpp": "",
        "simd/neon.hpp": "",
        "kernels/table.hpp": '#include "core/types.hpp"\n',
        "kernels/loops.inl": "#include NPCONV_SIMD\n",
        "kernels/gemm.cpp": '#include "kernels/loops.inl"\n',
        "plan/tiling.hpp": '#include "kernels/table.hpp"\n',
        "plan/tiling.cpp": '#include <vector>\n#include "plan/tiling.hpp"\n',
        "tests/checks.hpp": '#include "plan/tiling.hpp"\n',
        "tests/test_tiling.cpp": '#include "checks.hpp"\n',
        "cmake/kernels.cmake": 'target_compile_definitions(k PRIVATE NPCONV_SIMD="simd/${isa}.hpp")\n',
    }
    for name, text in sources.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def add(tree: Path, name: str, text: str) -> None:
    path = tree / name
    path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")


def test_includes_are_read_from_quotes_and_from_what_the_build_defines(tree: Path) -> None:
    files = folders.includes(tree)
    assert files["kernels/loops.inl"] == {"simd/avx2.hpp", "simd/neon.hpp"}
    assert files["tests/test_tiling.cpp"] == {"tests/checks.hpp"}
    assert files["plan/tiling.cpp"] == {"plan/tiling.hpp"}
    graph = folders.folder_includes(files)
    assert {name for name in graph if graph[name]} == {"kernels", "plan"}
    assert graph["kernels"] == {"core", "simd"}
    assert folders.faults(files) == []


def test_an_include_against_the_order_is_told(tree: Path) -> None:
    add(tree, "core/types.cpp", '#include "plan/tiling.hpp"\n')
    add(tree, "kernels/table.hpp", '  #include "tests/checks.hpp"\n')
    assert folders.against_the_order(folders.includes(tree)) == [
        "cpp/core/types.cpp includes plan/tiling.hpp, but core comes before plan",
        "cpp/kernels/table.hpp includes tests/checks.hpp, but kernels comes before tests",
    ]


def test_a_circle_of_folders_or_of_files_is_told(tree: Path) -> None:
    add(tree, "core/types.hpp", '#include "plan/other.hpp"\n')
    add(tree, "plan/other.hpp", '#include "core/last.hpp"\n')
    add(tree, "core/last.hpp", "")
    files = folders.includes(tree)
    assert folders.circle(files) == []
    assert folders.circle(folders.folder_includes(files)) == ["core", "plan", "core"]
    add(tree, "core/last.hpp", '#include "core/types.hpp"\n')
    files = folders.includes(tree)
    assert folders.circle(files) == ["core/last.hpp", "core/types.hpp", "plan/other.hpp", "core/last.hpp"]
    assert any(
        "a circle of includes: core/last.hpp -> core/types.hpp" in said for said in folders.faults(files)
    )


def test_a_header_that_no_file_or_the_tests_alone_include_is_told(tree: Path) -> None:
    add(tree, "plan/alone.hpp", '#include "core/types.hpp"\n')
    add(tree, "core/tested.hpp", "")
    add(tree, "tests/test_tiling.cpp", '#include "core/tested.hpp"\n')
    add(tree, "tests/alone.hpp", "")
    assert folders.unused_headers(folders.includes(tree)) == [
        "core/tested.hpp",
        "plan/alone.hpp",
        "tests/alone.hpp",
    ]


def test_a_folder_without_a_place_is_told(tree: Path) -> None:
    (tree / "extra").mkdir()
    add(tree, "extra/code.cpp", '#include "core/types.hpp"\n')
    assert folders.faults(folders.includes(tree)) == ["cpp/extra is not in FOLDERS of docs/folders.py"]


def test_the_picture_changes_when_a_folder_includes_another(tree: Path) -> None:
    before = folders.drawing(folders.folder_includes(folders.includes(tree)))
    add(tree, "plan/tiling.cpp", '#include "core/types.hpp"\n')
    after = folders.drawing(folders.folder_includes(folders.includes(tree)))
    assert "plan includes kernels;" in before
    assert "plan includes core, kernels;" in after
    assert after.count("<circle") == before.count("<circle") + 1
