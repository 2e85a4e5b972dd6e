"""One tool's way from an image folder and an RTSTRUCT to masks, as a process of its own; run.py starts it.

    python tools.py TOOL IMAGES RTSTRUCT OUT [--keep]

Prints one JSON line: seconds for importing and for the work, and peak memory above what the imports took. With --keep the
masks are stored in OUT as one bool .npy [k, y, x] a ROI.
"""

import argparse
import json
import re
import time
from collections.abc import Callable
from pathlib import Path


def fedrt(images: Path, rtstruct: Path, out: Path, each: Callable | None = None) -> Callable:
    """Each mask in memory, one after the other."""
    from FedRTDatasetLib.contouring.rasterise import rasterise_each
    from FedRTDatasetLib.contouring.rtstruct_read import read_rtstruct
    from FedRTDatasetLib.imaging.series import load_series
    from FedRTDatasetLib.index.dicom_index import index_folders

    def work():
        (series,) = index_folders([images]).series.values()
        loaded = load_series(series)
        for roi, made in rasterise_each(read_rtstruct(rtstruct), loaded.stack):
            if each is not None:
                each(made)
            yield roi.name, made.mask

    return work


def fedrt_written(images: Path, rtstruct: Path, out: Path) -> Callable:
    """The same, every mask written with eight voxels a byte, as plastimatch writes them; empty slices are holes in the file."""
    import numpy as np

    file = open(out / "masks.bits", "wb")  # noqa: SIM115

    def write(made) -> None:
        start, size = file.seek(0, 2), made.mask[0].size // 8
        for k in made.slices:
            file.seek(start + k * size)
            file.write(np.packbits(made.mask[k]))
        file.truncate(start + len(made.mask) * size)

    return fedrt(images, rtstruct, out, write)


def _as_in_pydicom_2() -> None:
    """dcmrtstruct2nii and platipy call a function that pydicom 3 renamed."""
    import pydicom

    pydicom.read_file = pydicom.dcmread


def dcmrtstruct2nii(images: Path, rtstruct: Path, out: Path) -> Callable:
    import SimpleITK as sitk

    _as_in_pydicom_2()
    from dcmrtstruct2nii import dcmrtstruct2nii as convert

    def work():
        convert(str(rtstruct), str(images), str(out), gzip=False, convert_original_dicom=False)
        for file in sorted(out.glob("mask_*.nii")):
            yield (
                file.stem.removeprefix("mask_"),
                lambda file=file: sitk.GetArrayFromImage(sitk.ReadImage(str(file))) > 0,
            )

    return work


def rt_utils(images: Path, rtstruct: Path, out: Path) -> Callable:
    from rt_utils import RTStructBuilder

    def work():
        built = RTStructBuilder.create_from(dicom_series_path=str(images), rt_struct_path=str(rtstruct))
        for name in built.get_roi_names():
            yield name, built.get_roi_mask_by_name(name).transpose(2, 0, 1)

    return work


def platipy(images: Path, rtstruct: Path, out: Path) -> Callable:
    import SimpleITK as sitk

    _as_in_pydicom_2()
    from platipy.dicom.io.rtstruct_to_nifti import convert_rtstruct

    def work():
        convert_rtstruct(images, rtstruct, prefix="mask_", output_dir=out)
        for file in sorted(out.glob("mask_*.nii.gz")):
            name = file.name.removeprefix("mask_").removesuffix(".nii.gz")
            yield name, lambda file=file: sitk.GetArrayFromImage(sitk.ReadImage(str(file))) > 0

    return work


def dicomrttool(images: Path, rtstruct: Path, out: Path) -> Callable:
    """One ROI at a time: its label map holds no two structures in one voxel."""
    from DicomRTTool.ReaderWriter import DicomReaderWriter

    def work():
        reader = DicomReaderWriter(description="benchmark", verbose=False)
        reader.walk_through_folders(str(images.parent))
        for name in reader.return_rois(print_rois=False):
            reader.set_contour_names_and_associations(contour_names=[name])
            reader.get_images_and_mask()
            yield name, reader.mask > 0

    return work


TOOLS = {tool.__name__: tool for tool in (fedrt, fedrt_written, dcmrtstruct2nii, rt_utils, platipy, dicomrttool)}


def peak_mb() -> float:
    """Peak memory of this process so far (resource.getrusage would count the process that started it as well)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("images", type=Path)
    parser.add_argument("rtstruct", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    started = time.perf_counter()
    work = TOOLS[args.tool](args.images, args.rtstruct, args.out)
    imported, before, cpu = time.perf_counter(), peak_mb(), time.process_time()
    count = 0
    for name, mask in work():
        count += 1
        if args.keep:
            store(args.out, name, mask() if callable(mask) else mask)
    done = time.perf_counter()
    print(json.dumps({
        "masks": count, "import_s": imported - started, "work_s": done - imported,
        "work_cpu_s": time.process_time() - cpu, "peak_mb": peak_mb() - before,
    }))  # fmt: skip


def store(out: Path, name: str, mask) -> None:
    import numpy as np

    np.save(out / (re.sub(r"[\W_]", "", name).lower() + ".npy"), np.asarray(mask) > 0)


if __name__ == "__main__":
    main()
