"""The data room's commands: `fedrt dataset …` and `fedrt rtstruct …`."""

import argparse
import json
from collections import Counter
from pathlib import Path

from .commandline import common_options
from .errors import FedRTError
from .reporting import Reporter


def add_commands(subparsers: argparse._SubParsersAction) -> None:
    """Add this room's commands to the `fedrt` parser."""
    _add_dataset(subparsers.add_parser("dataset", help="DICOM folders to de-identified, harmonised datasets"))
    _add_rtstruct(subparsers.add_parser("rtstruct", help="RTSTRUCT to Slicer segmentation and back"))
    phantom = subparsers.add_parser(
        "phantom", help="write the generated three-hospital cohort as DICOM", parents=[common_options()]
    )
    phantom.add_argument("out", type=Path, help="folder to write")
    phantom.add_argument("--patients", type=int, default=16, help="patients a hospital (default 16)")
    phantom.add_argument("--seed", type=int, default=1)
    phantom.set_defaults(run=run_phantom)


def _add_dataset(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="ACTION", required=True)

    index = commands.add_parser("index", help="list series, RT objects, links and problems", parents=[common_options()])
    index.add_argument("source", nargs="+", type=Path, help="folder of DICOM files")
    index.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    index.set_defaults(run=run_index)

    names = commands.add_parser("names", help="show and write how ROI names map to TG-263", parents=[common_options()])
    names.add_argument("source", nargs="+", type=Path)
    names.add_argument("--map", type=Path, help="CSV to write for review; decisions already in it are kept")
    names.set_defaults(run=run_names)

    build = commands.add_parser("build", help="build or extend a dataset (resumes)", parents=[common_options()])
    build.add_argument("source", nargs="+", type=Path)
    build.add_argument("--config", type=Path, required=True, help="TOML: name, structures, [processing], [splits]")
    build.add_argument("--out", type=Path, required=True, help="dataset folder")
    build.add_argument("--map", type=Path, help="reviewed name map (default: OUT with .names.csv, written if absent)")
    build.add_argument("--key", type=Path, help="site key for pseudonyms (default: your configuration folder)")
    build.set_defaults(run=run_build)

    check = commands.add_parser(
        "check", help="verify a dataset's files against their checksums", parents=[common_options()]
    )
    check.add_argument("dataset", type=Path)
    check.set_defaults(run=run_check)


def _add_rtstruct(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="ACTION", required=True)

    to_seg = commands.add_parser("to-seg", help="RTSTRUCT to .seg.nrrd", parents=[common_options()])
    to_seg.add_argument("images", type=Path, help="folder of the image series")
    to_seg.add_argument("rtstruct", type=Path)
    to_seg.add_argument("--out", type=Path, required=True)
    to_seg.set_defaults(run=run_to_seg)

    from_seg = commands.add_parser("from-seg", help=".seg.nrrd to RTSTRUCT", parents=[common_options()])
    from_seg.add_argument("segmentation", type=Path)
    from_seg.add_argument("--reference", type=Path, required=True, help="folder of the image series it belongs to")
    from_seg.add_argument("--out", type=Path, required=True)
    from_seg.set_defaults(run=run_from_seg)


def run_index(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset index`."""
    from .dicom_index import index_folders

    index = index_folders(args.source, report)
    summary = {
        "patients": len({series.patient_id for series in index.series.values()}),
        "series": dict(Counter(series.modality for series in index.series.values())),
        "structure_sets": len(index.structure_sets),
        "plans": len(index.plans),
        "doses": len(index.doses),
        "linked_structure_sets": len(index.links),
        "problems": [{"kind": problem.kind, "text": problem.text} for problem in index.problems],
    }
    if args.json:
        print(json.dumps(summary, ensure_ascii=False, indent=2))
        return
    _warn(index.problems, report)
    series = ", ".join(f"{count} {modality}" for modality, count in summary["series"].items()) or "no"
    report.info(
        f"{summary['patients']} patients, {series} series, {len(index.structure_sets)} structure sets "
        f"({len(index.links)} with their images), {len(index.plans)} plans, {len(index.doses)} doses, "
        f"{len(index.problems)} problems"
    )
    report.event("index", **summary)


def run_names(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset names`."""
    from .dicom_index import index_folders
    from .names import NameMap

    index = index_folders(args.source, report)
    names = NameMap.load(args.map) if args.map and args.map.exists() else NameMap()
    names.merge(_roi_counts(index))
    if args.map:
        names.save(args.map)
        report.info(f"{args.map} written: review it, set status to approved or ignored, then build with --map.")
    rows = [
        {"roi_name": roi, "count": count, "tg263_name": names.lookup(roi), "status": names.entries[roi].status}
        for roi, count in sorted(_roi_counts(index).items())
    ]
    report.event("names", names=rows)
    if args.progress != "json":
        for row in rows:
            print(f"{row['count']:5d}  {row['roi_name']:<32}  {row['tg263_name'] or '(not used)':<20}  {row['status']}")


def run_build(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt dataset build`."""
    from .build import build_dataset
    from .build_settings import read_build_settings
    from .dataset import Dataset
    from .dicom_index import index_folders
    from .names import NameMap
    from .pseudonym import SiteKey

    settings = read_build_settings(args.config)
    index = index_folders(args.source, report)
    map_path = args.map or args.out.with_name(args.out.name + ".names.csv")
    if args.map and not args.map.exists():
        raise FedRTError(f"{args.map} does not exist; `fedrt dataset names … --map {args.map}` writes it for review.")
    names = NameMap.load(map_path) if map_path.exists() else NameMap()
    names.merge(_roi_counts(index))
    names.save(map_path)
    unknown = sorted(name for name in _roi_counts(index) if names.is_undecided(name))
    problems = build_dataset(index, settings, args.out, SiteKey.load_or_create(args.key), names, report)
    _warn(problems, report)
    if unknown:
        shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        report.warning(
            f"{len(unknown)} ROI name(s) nobody knows are not used ({shown}): name them in {map_path} and build again."
        )
    dataset = Dataset.open(args.out)
    splits = _counted(Counter(case.split for case in dataset.cases))
    report.info(f"{args.out}: {len(dataset.cases)} cases ({splits}); to train on: {_counted(dataset.labelled_cases())}")
    report.event("built", cases=len(dataset.cases), labelled=dataset.labelled_cases(), problems=len(problems))


def run_check(args: argparse.Namespace, report: Reporter) -> int:
    """`fedrt dataset check`: exit code 1 when a case does not match its checksums."""
    from .dataset import Dataset, file_sha256

    dataset = Dataset.open(args.dataset)
    damaged = 0
    for done, case in enumerate(dataset.cases):
        report.progress("check", done, len(dataset.cases))
        for name, digest in case.sha256.items():
            if file_sha256(case.folder / name) != digest:
                damaged += 1
                report.warning(
                    f"case {case.id}: {name} was changed after it was built: delete the case folder and build again."
                )
    report.progress("check", len(dataset.cases), len(dataset.cases))
    report.info(f"{len(dataset.cases)} cases, {damaged} damaged files")
    return 1 if damaged else 0


def run_to_seg(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt rtstruct to-seg`."""
    from .convert import rtstruct_to_segmentation

    for note in rtstruct_to_segmentation(args.images, args.rtstruct, args.out, report):
        report.warning(note)
    report.info(f"{args.out} written")


def run_from_seg(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt rtstruct from-seg`."""
    from .convert import segmentation_to_rtstruct

    segmentation_to_rtstruct(args.segmentation, args.reference, args.out, report)
    report.info(f"{args.out} written")


def run_phantom(args: argparse.Namespace, report: Reporter) -> None:
    """`fedrt phantom`."""
    from .phantom import write_cohort

    write_cohort(args.out, patients=args.patients, seed=args.seed, report=report)
    report.info(f"{args.out} written")


def _roi_counts(index) -> Counter:
    """How often each ROI name occurs; names that hold the patient's identity are left out of the map."""
    from .privacy import without_identity

    return Counter(
        name
        for rt in index.structure_sets.values()
        for name in rt.roi_names
        if name and without_identity(name, rt.patient_id, rt.patient_name) == name
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _warn(problems, report: Reporter) -> None:
    for problem in problems:
        report.warning(problem.text)
