"""The extension as Slicer installs it: only the files that CMake lists, flat in one folder, and no installed `fedrt`."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from update_cmake_lists import MODULES, ROOT, files_of, install_flat, listed_files

LATE = {"torch", "monai", "flwr", "sklearn", "SimpleITK"}
"""Must not be imported before a job starts: they take seconds."""
NOT_IN_SLICER = {"pydantic", "rich", "nrrd", "contourpy", "safetensors", "cryptography", "pydicom"}
"""May be missing in Slicer before the first job installs them (pydicom is there, but slow)."""


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("qt-scripted-modules")
    install_flat(folder)
    return folder


@pytest.mark.parametrize("module", MODULES)
def test_cmake_lists_every_file(module):
    assert listed_files(module) == files_of(module), "run: python Testing/update_cmake_lists.py"


def test_every_module_is_part_of_the_extension():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("add_subdirectory")] == [
        f"add_subdirectory({module})" for module in MODULES
    ]


def test_two_modules_never_install_the_same_file(flat, tmp_path):
    """`install_flat` refuses it; here: that it does so for a file that is there twice."""
    with pytest.raises(FileExistsError):
        install_flat(flat)


def run_flat(flat: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    """Python with the flat folder first and no `site`: third-party packages by path, no editable install of FedRT."""
    packages = [path for path in sys.path if path.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(flat), *packages]), "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_the_package_runs_as_a_command(flat, tmp_path, module):
    done = run_flat(flat, "-m", f"{module}Lib", "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "COMMAND" in done.stdout


def test_a_command_of_an_upper_room_runs_with_the_lower_rooms_beside_it(flat, tmp_path):
    done = run_flat(flat, "-m", "FedRTTrainLib", "train", str(tmp_path), "--out", str(tmp_path / "m"), cwd=tmp_path)
    assert done.returncode == 1
    assert "dataset.json" in done.stderr
    assert "Traceback" not in done.stderr


WHERE = """
    import json, sys, {packages}
    print(json.dumps([module.__file__ for name, module in sys.modules.items() if name.startswith("FedRT")]))
"""


def test_the_packages_come_from_the_flat_folder(flat, tmp_path):
    text = textwrap.dedent(WHERE.format(packages=", ".join(f"{module}Lib" for module in MODULES)))
    files = json.loads(run_flat(flat, "-c", text, cwd=tmp_path).stdout)
    assert len(files) >= len(MODULES)
    assert all(Path(file).is_relative_to(flat) for file in files)


IMPORT = """
    import json, sys
    sys.path.append({testing!r})
    from harness import application as harness
    from pathlib import Path
    harness.start()
    before = set(sys.modules)
    for name in {modules!r}:
        harness.load_module(Path({flat!r}) / (name + ".py"))
    loaded = set(sys.modules) - before
    opened = None
    if {open_them}:
        for name in {modules!r}:
            harness.open_module(name)
        opened = sorted(set(sys.modules) - before)
    print(json.dumps({{"loaded": sorted(loaded), "opened": opened}}))
"""


def imported_in_slicer(flat: Path, cwd: Path, *, open_them: bool) -> dict:
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason="pip install slicer-core PySide6_Essentials==6.8.3")
    text = IMPORT.format(testing=str(ROOT / "Testing"), modules=MODULES, flat=str(flat), open_them=open_them)
    done = run_flat(flat, "-c", textwrap.dedent(text), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def top_names(modules: list[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_slicer_loads_the_module_files_without_slow_or_missing_packages(flat, tmp_path):
    loaded = imported_in_slicer(flat, tmp_path, open_them=False)["loaded"]
    assert set(MODULES) <= set(loaded)
    assert not top_names(loaded) & (LATE | NOT_IN_SLICER)


def test_the_modules_open_before_their_packages_are_installed(flat, tmp_path):
    opened = imported_in_slicer(flat, tmp_path, open_them=True)["opened"]
    assert {f"{module}Lib.widget" for module in MODULES} <= set(opened)
    assert not top_names(opened) & (LATE | NOT_IN_SLICER)
