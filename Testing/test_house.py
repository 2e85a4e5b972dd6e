"""Rules of the house that no linter knows (CONTRIBUTING.md tells why each is there)."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from update_cmake_lists import MODULES, ROOT

LIBRARY = [path for module in MODULES for path in sorted((ROOT / module / f"{module}Lib").rglob("*.py"))]
IN_SLICER = ("widget.py", "widget_base.py", "widget_job.py", "mrml.py")
"""The only library files that may know Slicer; the import contracts in pyproject.toml say the same."""

TESTED_THROUGH = {
    # every room
    "__init__.py": "test_flat_install.py",
    "__main__.py": "test_flat_install.py",
    "widget.py": "test_modules.py",
    "widget_base.py": "test_modules.py",
    "widget_job.py": "test_modules.py",
    # Dataset
    "commands/dvh.py": "test_command_dvh.py",
    "index/duplicates.py": "test_index_duplicates.py",
    "index/header.py": "test_index_header.py",
    "index/links.py": "test_index_links.py",
    "index/listing.py": "test_index_listing.py",
    "index/record.py": "test_index_record.py",
    "index/scan.py": "test_index_scan.py",
    "index/store.py": "test_index_store.py",
    "naming/sharing.py": "test_name_sharing.py",
    "phantom/cohort.py": "test_phantom.py",
    "anatomy/checks.py": "test_anatomy.py",
    "FedRTDatasetLib/cli.py": "test_arguments.py",
    "commands/build.py": "test_build.py",
    "building/fingerprint.py": "test_build.py",
    "storage/folder_lock.py": "test_case_folder.py",
    "storage/volume_file.py": "test_case_folder.py",
    "building/structure_set_choice.py": "test_build.py",
    "building/skipped.py": "test_build.py",
    "building/image_choice.py": "test_case_images.py",
    "building/case_structures.py": "test_build.py",
    "building/case_sources.py": "test_case_images.py",
    "building/case_images.py": "test_case_images.py",
    "building/case_build.py": "test_build.py",
    "building/build_settings.py": "test_build.py",
    "building/build_jobs.py": "test_build.py",
    "imaging/intensity.py": "test_preprocess.py",
    "FedRTDatasetLib/notes.py": "test_build.py",
    "storage/records.py": "test_build.py",
    "imaging/processing.py": "test_preprocess.py",
    "commands/check.py": "test_checks.py",
    "commands/export.py": "test_export_nnunet.py",
    "commands/deidentify.py": "test_deidentification.py",
    "deidentification/dates.py": "test_deidentification_profile.py",
    "deidentification/descriptors.py": "test_deidentification_profile.py",
    "deidentification/elements.py": "test_deidentification.py",
    "deidentification/folders.py": "test_deidentification.py",
    "deidentification/gather.py": "test_deidentification.py",
    "deidentification/objects.py": "test_deidentification.py",
    "deidentification/plan.py": "test_deidentification.py",
    "deidentification/report.py": "test_deidentification.py",
    "deidentification/removed.py": "test_deidentification_search.py",
    "deidentification/risks.py": "test_deidentification.py",
    "deidentification/run.py": "test_deidentification.py",
    "deidentification/searching.py": "test_deidentification.py",
    "deidentification/settings.py": "test_deidentification_profile.py",
    "deidentification/survey.py": "test_deidentification.py",
    "deidentification/uids.py": "test_deidentification_profile.py",
    "deidentification/values.py": "test_deidentification_profile.py",
    "deidentification/verify.py": "test_deidentification.py",
    "deidentification/walk.py": "test_deidentification.py",
    "deidentification/workers.py": "test_deidentification.py",
    "commands/index.py": "test_dicom_index.py",
    "index/findings.py": "test_dicom_index.py",
    "index/layout.py": "test_index_header.py",
    "index/objects.py": "test_dicom_index.py",
    "index/tags.py": "test_index_header.py",
    "index/rows.py": "test_dicom_index.py",
    "index/summary.py": "test_dicom_index.py",
    "index/walk.py": "test_dicom_index.py",
    "index/worker.py": "test_index_scan.py",
    "commands/names.py": "test_names.py",
    "commands/received.py": "test_sources_opening.py",
    "dosimetry/area_curve.py": "test_dvh.py",
    "dosimetry/dvh_files.py": "test_command_dvh.py",
    "dosimetry/dvh_table.py": "test_command_dvh.py",
    "dosimetry/dvh_values.py": "test_dvh.py",
    "dosimetry/named_doses.py": "test_command_dvh.py",
    "dosimetry/plan_values.py": "test_plan.py",
    "dosimetry/sampling.py": "test_dvh.py",
    "dosimetry/sections.py": "test_dvh.py",
    "commands/rtstruct.py": "test_convert.py",
    "commands/versions.py": "test_versions.py",
    "anatomy/table.py": "test_anatomy.py",
    "anatomy/measured.py": "test_anatomy.py",
    "naming/abbreviations.py": "test_names.py",
    "naming/greek.py": "test_names.py",
    "naming/helpers.py": "test_names.py",
    "naming/map_file.py": "test_names.py",
    "naming/misspelt.py": "test_names.py",
    "naming/proposal.py": "test_names.py",
    "naming/targets.py": "test_names.py",
    "naming/vocabulary.py": "test_names.py",
    "naming/words.py": "test_names.py",
    "contouring/image_references.py": "test_rtstruct_write.py",
    "contouring/outline_fit.py": "test_outline.py",
    "contouring/outline_thin.py": "test_outline.py",
    "storage/roles.py": "test_versions.py",
    "naming/tg263.py": "test_names.py",
    "FedRTDatasetLib/finding.py": "test_checks.py",
    "FedRTDatasetLib/spreadsheet.py": "test_build.py",
    "commands/phantom.py": "test_phantom.py",
    "commands/problems.py": "test_dicom_index.py",
    "FedRTDatasetLib/html_page.py": "test_demo.py",
    "FedRTDatasetLib/pictures.py": "test_demo.py",
    "quality/case_checks.py": "test_checks.py",
    "quality/cohort_checks.py": "test_checks.py",
    "quality/charts.py": "test_report_page.py",
    "quality/contact_sheet.py": "test_report_page.py",
    "phantom/dicom.py": "test_phantom.py",
    "phantom/dose.py": "test_phantom.py",
    "phantom/image.py": "test_phantom.py",
    "phantom/plan.py": "test_phantom.py",
    "contouring/bridging.py": "test_rasterise.py",
    "contouring/contour_rule.py": "test_rasterise.py",
    "contouring/scanline.py": "test_rasterise.py",
    "contouring/rtstruct_walk.py": "test_rtstruct.py",
    "imaging/regrid.py": "test_geometry.py",
    "sources/errand.py": "test_sources_pacs.py",
    "sources/options.py": "test_sources_opening.py",
    "sources/pacs_connection.py": "test_sources_pacs.py",
    "sources/pacs_receiver.py": "test_sources_pacs.py",
    "sources/tls.py": "test_sources_pacs.py",
    # Train
    "FedRTTrainLib/refusals.py": "test_model.py",
    "FedRTTrainLib/state.py": "test_training.py",
    "FedRTTrainLib/stopping.py": "test_local.py",
    # Federation: parts of processes, seen from outside in a real federation
    "FedRTFederationLib/connection_check.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/contouring.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/control.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/coordinator.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/environment.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/executor.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/grid.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/process.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/rounds.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/runlog.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/strategy.py": "test_federation_end_to_end.py",
    "FedRTFederationLib/superlink.py": "test_federation_end_to_end.py",
    # Inference
    "FedRTInferenceLib/comparison.py": "test_demo.py",
    "FedRTInferenceLib/comparison_federation.py": "test_demo.py",
    "FedRTInferenceLib/comparison_folder.py": "test_demo.py",
    "FedRTInferenceLib/comparison_report.py": "test_demo.py",
    "FedRTInferenceLib/results.py": "test_batch.py",
}
"""Library files that no test imports by name -> the test file that sees what they do."""


def label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def room_of(path: Path) -> str:
    """The module that a library file belongs to, also one in a subpackage."""
    return path.relative_to(ROOT).parts[0]


def dotted(path: Path) -> str:
    """The name that a library file is imported by."""
    return ".".join(path.relative_to(ROOT / room_of(path)).with_suffix("").parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(node: ast.AST, *, everywhere: bool) -> set[str]:
    """Dotted names of imported modules; without `everywhere` only those that run when the file is imported."""
    found = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ast.Import):
            found |= {alias.name for alias in current.names}
        elif isinstance(current, ast.ImportFrom) and not current.level:
            found |= {current.module} | {f"{current.module}.{alias.name}" for alias in current.names}
        if everywhere or not isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(current)
    return found


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_file_is_short(module):
    lines = (ROOT / module / f"{module}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150


@pytest.mark.parametrize("module", MODULES)
def test_a_module_file_imports_only_slicer_when_slicer_starts(module):
    """No slow package, and no room: the other rooms' folders may not be on the path yet when Slicer reads the file."""
    assert top(imports(tree(ROOT / module / f"{module}.py"), everywhere=False)) <= {"slicer", "vtk", "qt", "ctk"}


@pytest.mark.parametrize("path", LIBRARY, ids=label)
def test_only_widgets_and_mrml_know_slicer(path):
    if path.name not in IN_SLICER:
        assert not top(imports(tree(path), everywhere=True)) & {"slicer", "qt", "ctk", "vtk", "PythonQt"}


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_ATTRIBUTES = {("torch", "load"), ("torch", "save"), ("yaml", "load"), ("os", "system"), ("os", "popen")}


@pytest.mark.parametrize("path", LIBRARY, ids=label)
def test_nothing_read_from_a_file_is_ever_executed(path):
    parsed = tree(path)
    assert not top(imports(parsed, everywhere=True)) & UNSAFE_MODULES
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in UNSAFE_CALLS, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in UNSAFE_ATTRIBUTES, f"line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            assert isinstance(node.value, ast.Constant) and not node.value.value, f"line {node.lineno}"


def test_the_search_for_unsafe_calls_finds_them():
    """The rules above would pass a file that they cannot read right."""
    bad = Path(__file__).with_name("conftest.py")
    for text in (
        "import pickle",
        "from dill import loads",
        "eval('1')",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
    ):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(AssertionError):
            patch.setattr(Path, "read_text", lambda *_, text=text, **__: text)
            test_nothing_read_from_a_file_is_ever_executed(bad)


def imported_by_tests() -> set[str]:
    return {name for path in (ROOT / "Testing").glob("test_*.py") for name in imports(tree(path), everywhere=True)}


def test_every_library_file_is_tested():
    imported, test_files = imported_by_tests(), {path.name for path in (ROOT / "Testing").glob("test_*.py")}
    untested = []
    for path in LIBRARY:
        room = path.parent.name.removeprefix("FedRT").removesuffix("Lib").lower()
        own = {f"test_{path.stem}.py", f"test_{room}_{path.stem}.py"} & test_files
        through = TESTED_THROUGH.get(label(path), TESTED_THROUGH.get(path.name))
        if not own and dotted(path) not in imported and through not in test_files:
            untested.append(label(path))
    assert not untested, "write Testing/test_<file>.py, or say in TESTED_THROUGH which test sees what it does"


def test_the_list_of_files_tested_through_others_is_up_to_date():
    present = {label(path) for path in LIBRARY} | {path.name for path in LIBRARY}
    assert set(TESTED_THROUGH) <= present
    assert all((ROOT / "Testing" / name).is_file() for name in TESTED_THROUGH.values())


DISTRIBUTIONS = {
    "dicomweb_client": "dicomweb-client",
    "nrrd": "pynrrd",
    "sklearn": "scikit-learn",
    "tomli_w": "tomli-w",
}
THROUGH_OTHERS = {"torch": "the PyTorch extension", "httpx": "flwr", "uvicorn": "flwr", "google": "flwr"}
THROUGH_OTHERS |= {"requests": "dicomweb-client"}
"""Imported, but not to be installed on their own inside Slicer -> who brings them."""


def requirements(module: str) -> set[str]:
    lines = (ROOT / module / "Resources" / "Requirements" / f"{module}.txt").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


@pytest.mark.parametrize("module", MODULES)
def test_slicer_installs_what_the_package_would(module):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert requirements(module) <= set(project["dependencies"])
    assert not any(re.match(r"torch\b", line) for line in requirements(module))


@pytest.mark.parametrize("module", MODULES)
def test_a_room_requires_what_it_imports(module):
    import sys

    ours = {f"{name}Lib" for name in MODULES} | {"slicer", "qt", "ctk", "vtk", "PyTorchUtils"}
    used = set().union(*(top(imports(tree(path), everywhere=True)) for path in LIBRARY if room_of(path) == module))
    third_party = used - ours - set(sys.stdlib_module_names) - set(THROUGH_OTHERS)
    named = {re.split(r"[<>=!~ ]", line)[0] for line in requirements(module)}
    assert {DISTRIBUTIONS.get(name, name) for name in third_party} <= named


SLICER_FILES = [path for path in LIBRARY if path.name in IN_SLICER] + [ROOT / m / f"{m}.py" for m in MODULES]


@pytest.mark.parametrize("path", SLICER_FILES, ids=label)
def test_every_name_of_slicers_python_modules_exists(path):
    """`slicer.util.…`, `slicer.packaging.…` and `slicer.app.…` as in Slicer 5.12.3 and later."""
    from harness.api import api_class, python_names

    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            owner = node.value
            if isinstance(owner.value, ast.Name) and owner.value.id == "slicer":
                if owner.attr in ("util", "packaging"):
                    assert node.attr in python_names(f"slicer.{owner.attr}"), f"line {node.lineno}: {node.attr}"
                elif owner.attr == "app":
                    members = api_class("qSlicerApplication").members
                    assert node.attr in members | {"processEvents"}, f"line {node.lineno}: {node.attr}"
