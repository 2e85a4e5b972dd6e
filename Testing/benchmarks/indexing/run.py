"""Index many small generated DICOM files: against a plain pydicom loop, and what one more patient costs.

python Testing/benchmarks/indexing/run.py [--files 100000] [--folder FOLDER] [--repeats 3]
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SLICES = 98  # a patient: 98 CT slices, an RTSTRUCT and an RTDOSE
PER_PATIENT = SLICES + 2


def write_patients(folder: Path, first: int, count: int) -> None:
    """`count` patients as a planning system exports them, with images of 16 x 16 pixels."""
    import pydicom

    sys.path.insert(0, str(Path(__file__).parents[2]))
    from dicom_maker import make_patient

    with tempfile.TemporaryDirectory() as made:
        make_patient(Path(made), "MRN-0", slices=SLICES, rows=16, columns=16, contoured=range(20, 60))
        datasets = [pydicom.dcmread(path) for path in sorted(Path(made).glob("*.dcm"))]
    like_a_scanner(datasets)
    dose = dose_of(next(d for d in datasets if d.Modality == "RTSTRUCT"))
    encoded = [(d.Modality, encode(d)) for d in [*datasets, dose]]
    uids = sorted(
        {str(e.value) for d in [*datasets, dose] for e in d.iterall() if e.VR == "UI" and is_own(str(e.value))}
    )
    for number in range(first, first + count):
        target = folder / f"patient_{number:05d}"
        target.mkdir(parents=True)
        mark = f"{number:05d}".encode()
        for n, (modality, raw) in enumerate(encoded):
            (target / f"{modality}_{n:03d}.dcm").write_bytes(renumbered(raw, uids, mark))


def like_a_scanner(datasets) -> None:
    """The attributes a CT scanner writes beside those needed here (about 70 in all)."""
    for number, dataset in enumerate(datasets):
        if dataset.Modality != "CT":
            continue
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
        dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20240102"
        dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101500.000000"
        dataset.AccessionNumber, dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber = "", "1", 2, 1
        dataset.Manufacturer, dataset.ManufacturerModelName, dataset.StationName = "Vendor", "Scanner", "CT01"
        dataset.InstitutionName, dataset.StudyDescription, dataset.SeriesDescription = "Hospital", "Plan", "Pelvis 2.0"
        dataset.ReferringPhysicianName, dataset.ProtocolName, dataset.PatientPosition = "", "Pelvis", "HFS"
        dataset.PatientAge, dataset.PatientWeight, dataset.BodyPartExamined = "070Y", 80, "PELVIS"
        dataset.ScanOptions, dataset.SliceThickness, dataset.KVP = "SPI", 2, 120
        dataset.DataCollectionDiameter, dataset.ReconstructionDiameter = 500, 500
        dataset.SoftwareVersions, dataset.DeviceSerialNumber = "1.0", "4711"
        dataset.DistanceSourceToDetector, dataset.DistanceSourceToPatient = 1040, 570
        dataset.GantryDetectorTilt, dataset.TableHeight, dataset.RotationDirection = 0, 150, "CW"
        dataset.ExposureTime, dataset.XRayTubeCurrent, dataset.Exposure = 500, 200, 100
        dataset.FilterType, dataset.GeneratorPower, dataset.FocalSpots = "0", 24, 1.2
        dataset.DateOfLastCalibration, dataset.TimeOfLastCalibration = "20240101", "070000"
        dataset.ConvolutionKernel, dataset.PositionReferenceIndicator, dataset.SliceLocation = "B30", "", 2.0 * number
        dataset.WindowCenter, dataset.WindowWidth, dataset.RescaleType = 40, 400, "HU"


def dose_of(structure_set):
    import pydicom
    from pydicom.uid import RTDoseStorage, generate_uid

    dose = pydicom.Dataset()
    dose.file_meta = pydicom.dataset.FileMetaDataset()
    dose.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dose.SOPClassUID, dose.SOPInstanceUID, dose.Modality = RTDoseStorage, generate_uid(), "RTDOSE"
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        setattr(dose, keyword, structure_set[keyword].value)
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = structure_set.SOPClassUID, structure_set.SOPInstanceUID
    dose.DoseUnits, dose.DoseType, dose.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dose.ReferencedStructureSetSequence = [item]
    return dose


def encode(dataset) -> bytes:
    import io

    dataset.PatientID, dataset.PatientName = "MRN-00000", "Made^Patient00000"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def is_own(uid: str) -> bool:
    return not uid.startswith("1.2.840.10008.")


def renumbered(raw: bytes, uids: list[str], mark: bytes) -> bytes:
    """The same file for another patient: the last five digits of its own UIDs and its Patient ID are the patient's number.

    Instances of one patient stay apart by their other digits; lengths stay as they are.
    """
    raw = raw.replace(b"MRN-00000", b"MRN-" + mark).replace(b"Patient00000", b"Patient" + mark)
    for uid in uids:
        old = uid.encode()
        if old in raw:
            raw = raw.replace(old, old[:-5] + mark)
    return raw


CHILDREN = {
    "fedrt": "from FedRTDatasetLib.index.dicom_index import index_folders\n"
    "index = index_folders([sys.argv[1]], store=sys.argv[2])\n"
    "result = [index.scanned.files, index.scanned.read, len(index.series), len(index.links), len(index.problems)]\n",
    "pydicom": "import os, pydicom\nn = 0\n"
    "for folder, _, names in os.walk(sys.argv[1]):\n"
    "    for name in names:\n"
    "        pydicom.dcmread(os.path.join(folder, name), stop_before_pixels=True)\n        n += 1\n"
    "result = [n]\n",
}
AROUND = """
import json, os, re, resource, sys, time
start = time.perf_counter()
{body}
seconds = time.perf_counter() - start
own = int(re.search("VmHWM: *([0-9]+)", open("/proc/self/status").read().expandtabs(1)).group(1)) / 1024
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([seconds, sum(os.times()[:4]), own, children, *result]))
"""


def measured(what: str, *arguments: str) -> list[float]:
    """Wall and processor seconds, peak MiB of the process and of its largest child, then what it counted; in a process of
    its own."""
    code = AROUND.format(body=CHILDREN[what])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to write the files (default: a temporary folder)")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    patients = args.files // PER_PATIENT
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder, store = Path(temporary, "dicom"), Path(temporary, "index.sqlite")
        write_patients(folder, 0, patients // 10)
        small = measured("fedrt", str(folder), str(Path(temporary, "small.sqlite")))
        write_patients(folder, patients // 10, patients - patients // 10)
        print(f"{patients * PER_PATIENT} files of {patients} patients; {platform.machine()}, {os.cpu_count()} cores, "
              f"Python {platform.python_version()}")  # fmt: skip
        ours, theirs, ratios = [], [], []
        for _ in range(args.repeats):  # in turn, so that whatever else the machine does falls on both
            for path in Path(temporary).glob("index.sqlite*"):
                path.unlink()
            theirs.append(measured("pydicom", str(folder)))
            ours.append(measured("fedrt", str(folder), str(store)))
            ratios.append([there / here for there, here in zip(theirs[-1][:2], ours[-1][:2], strict=True)])
        for name, runs in (("pydicom loop", theirs), ("fedrt index", ours)):
            wall, processor, own, _ = (statistics.median(column) for column in list(zip(*runs, strict=True))[:4])
            print(f"{name:14}{wall:8.1f} s, {processor:6.1f} s of processor time, peak {own:4.0f} MiB")
        for name, column in (("wall", 0), ("processor", 1)):
            values = sorted(ratio[column] for ratio in ratios)
            print(f"ratio of {name} time: {statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})")
        print(f"found: {ours[0][6]} series, {ours[0][7]} linked structure sets, {ours[0][8]} problems")
        print(f"peak memory at {small[4]} files {small[2]:.0f} MiB, at {ours[0][4]} files {ours[0][2]:.0f} MiB; each reading "
              f"process {small[3]:.0f} and {ours[0][3]:.0f} MiB")  # fmt: skip
        again = measured("fedrt", str(folder), str(store))
        print(f"unchanged: {again[0]:.1f} s, {again[5]} files read of {again[4]}")
        write_patients(folder, patients, 1)
        more = measured("fedrt", str(folder), str(store))
        print(f"one patient more: {more[0]:.1f} s, {more[5]} files read of {more[4]}")
        shutil.rmtree(folder / f"patient_{patients:05d}")
        less = measured("fedrt", str(folder), str(store))
        print(f"one patient less: {less[0]:.1f} s, {less[5]} files read of {less[4]}, {less[6]} series left")


if __name__ == "__main__":
    main()
