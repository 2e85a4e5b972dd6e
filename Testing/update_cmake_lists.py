"""Write the file lists of the modules' CMakeLists.txt anew: `python Testing/update_cmake_lists.py`.

Slicer installs only what is listed there, so run it after adding, renaming or removing a file of a module;
`test_flat_install.py` fails when it was forgotten.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("FedRTDataset", "FedRTTrain", "FedRTFederation", "FedRTInference")
SCRIPTS, RESOURCES = "MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"


def main() -> int:
    for module in MODULES:
        path = ROOT / module / "CMakeLists.txt"
        old = path.read_text(encoding="utf-8")
        new = old
        for name, files in files_of(module).items():
            block = f"set({name}\n" + "".join(f"  {file}\n" for file in files) + "  )"
            new = re.sub(rf"set\({name}\n.*?\)", lambda _, block=block: block, new, flags=re.DOTALL)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)} written")
    return 0


def files_of(module: str) -> dict[str, list[str]]:
    """What belongs to a module: every Python file of it, and every other file of its package and Resources."""
    folder = ROOT / module
    files = [folder / f"{module}.py"]
    for part in (folder / f"{module}Lib", folder / "Resources"):
        files += [path for path in sorted(part.rglob("*")) if path.is_file() and not _is_by_product(path)]
    names = [path.relative_to(folder).as_posix() for path in files]
    return {
        SCRIPTS: [name for name in names if name.endswith(".py")],
        RESOURCES: [name for name in names if not name.endswith(".py")],
    }


def listed_files(module: str) -> dict[str, list[str]]:
    """What the module's CMakeLists.txt lists."""
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8")
    return {
        name: re.search(rf"set\({name}\n(.*?)\)", text, flags=re.DOTALL)[1].split() for name in (SCRIPTS, RESOURCES)
    }


def install_flat(target: Path) -> None:
    """Copy what the lists say into one folder, as Slicer does for an extension.

    Raises:
        FileExistsError: two modules would install a file of the same name; one would overwrite the other.
    """
    for module in MODULES:
        listed = listed_files(module)
        for name in listed[SCRIPTS] + listed[RESOURCES]:
            if (target / name).exists():
                raise FileExistsError(f"{name} of {module} is already there from another module")
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / module / name, target / name)


def _is_by_product(path: Path) -> bool:
    return "__pycache__" in path.parts or path.name.startswith(".")


if __name__ == "__main__":
    sys.exit(main())
