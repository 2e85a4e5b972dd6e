"""Trim the description of 3D Slicer's Python API to what the harness checks against.

    python Testing/harness/make_extract.py slicer_api.json slicer_api_live.json

The first file lists classes as Slicer's sources declare them (5.8 to HEAD), the second as a running application shows
them to Python; where both know a class, the second is right. A member is kept only if 5.12.3 and HEAD both have it.
"""

import argparse
import json
import re
from pathlib import Path

OLDEST = "v5.12.3"
CLASSES = [
    "ctkCollapsibleButton", "ctkDICOMDatabase", "ctkPathLineEdit", "qMRMLLayoutManager", "qMRMLNodeComboBox", "qMRMLWidget",
    "qSlicerApplication", "qSlicerLayoutManager", "qSlicerModuleFactoryManager", "qSlicerModuleManager",
    "qSlicerScriptedLoadableModule", "qSlicerScriptedLoadableModuleWidget",
]  # fmt: skip
PYTHON_MODULES = ["slicer.util", "slicer.packaging", "slicer.i18n", "slicer.ScriptedLoadableModule"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("declared", type=Path)
    parser.add_argument("live", type=Path)
    args = parser.parse_args()
    declared = json.loads(args.declared.read_text(encoding="utf-8"))
    live = json.loads(args.live.read_text(encoding="utf-8"))
    extract = {
        "source": {"sources": declared["meta"]["generated_from"], "running": live["app"], "oldest": OLDEST},
        "classes": {name: _class(name, declared["classes"], live["classes"]) for name in CLASSES},
        "python": {name: _python_module(declared["python"][name]) for name in PYTHON_MODULES},
    }
    text = json.dumps(extract, indent=1, sort_keys=True, ensure_ascii=False)
    Path(__file__).with_name("extract.json").write_text(text + "\n", encoding="utf-8")


def _class(name: str, declared: dict, live: dict) -> dict:
    """One class with what it inherits from other Slicer and CTK classes, down to its Qt base."""
    lineage, base = _lineage(name, declared)
    merged = {"base": base, "properties": {}, "signals": [], "slots": [], "members": set()}
    for ancestor in lineage:
        entry = declared[ancestor]
        missing = set(entry.get("diff_vs_head", {}).get(OLDEST, {}).get("not_yet", []))
        merged["members"] |= set(entry["python_visible_own"]) - missing
        merged["members"] |= {_name(method) for method in entry.get("python_decorators", {}).get("methods", [])}
        merged["properties"] |= {
            key: value["writable"] for key, value in entry["properties"].items() if key not in missing
        }
        merged["signals"] += [_normalised(signal) for signal in entry["signals"] if _name(signal) not in missing]
        merged["slots"] += [_normalised(slot) for slot in entry["slots"] if _name(slot) not in missing]
    if name in live:
        running = live[name]
        merged["members"] &= set(running["python_members"]) or merged["members"]
        merged["properties"] = {entry["name"]: entry["writable"] for entry in running["properties"]}
        merged["signals"], merged["slots"] = running["signals"], running["slots"]
    return {key: sorted(set(value)) if isinstance(value, (list, set)) else value for key, value in merged.items()}


def _lineage(name: str, declared: dict) -> tuple[list[str], str]:
    """The class and its ancestors of Slicer and CTK, and the nearest class of Qt."""
    lineage, waiting, base = [], [name], "QObject"
    while waiting:
        current = waiting.pop(0)
        if current not in declared:
            base = current if current.startswith("Q") else base
        elif current not in lineage:
            lineage.append(current)
            waiting += declared[current]["inherits"]
    return lineage, base


def _name(signature: str) -> str:
    return signature.partition("(")[0].split()[-1]


def _normalised(signature: str) -> str:
    """`currentPathChanged(const QString& path)` -> `currentPathChanged(QString)`, as Qt's meta object writes it."""
    head, _, rest = signature.partition("(")
    arguments = rest.rpartition(")")[0]
    kinds = [_kind(argument) for argument in re.split(r",(?![^<]*>)", arguments)] if arguments else []
    return f"{head}({','.join(kinds)})"


def _kind(argument: str) -> str:
    argument = argument.partition("=")[0].replace("const ", "").strip()
    named = re.fullmatch(r"(.*?[\s*&>])\s*(\w+)", argument)
    kind = named[1] if named and named[1].strip() not in ("unsigned", "long") else argument
    return kind.replace("&", "").replace(" *", "*").strip()


def _python_module(entry: dict) -> dict:
    missing = set(entry["missing_in"].get(OLDEST, []))
    return {
        name: api if isinstance(api, str) else {"methods": api["methods"]}
        for name, api in entry["api"].items()
        if name not in missing
    }


if __name__ == "__main__":
    main()
