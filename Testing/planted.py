"""Patients whose identity is planted in every corner of their files, and an independent search for what is left of it.

Used by `test_deidentification.py` and by `benchmarks/deidentification`. All people are invented.
"""

import copy
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from dicom_maker import ellipse, make_patient, make_series, write_registration
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RTDoseStorage,
    RTPlanStorage,
    SegmentationStorage,
    generate_uid,
)

SURNAME, FIRST, PHYSICIAN, MRN, STREET = (
    "Quillfeather",
    "Zebulon",
    "Dr. Xanthippe Vogelsangwitz",
    "MRN8846213",
    "Krokusallee 17b",
)
BIRTH, STUDY_DAY, PLAN_DAY = "19310407", "20230118", "20230202"
HOSPITAL = "Sankt-Wunibald-Klinikum"


@dataclass
class Planted:
    """A folder of originals. values: what must not be left anywhere, as people would write it; uids: the originals' own."""

    folder: Path
    values: dict[str, str] = field(default_factory=dict)
    uids: set[str] = field(default_factory=set)

    def add(self, value: str, where: str) -> str:
        """Remember a planted value and give it back."""
        self.values[value] = where
        return value


def plant(folder: Path, slices: int = 6) -> Planted:
    """Two patients: one with CT, RTSTRUCT, RTPLAN, RTDOSE, REG and SEG that refer to each other, one in odd encodings."""
    planted = Planted(folder)
    for value in (
        SURNAME,
        FIRST,
        "Vogelsangwitz",
        "Xanthippe",
        MRN,
        "8846213",
        "Krokusallee",
        "Wunibald",
        BIRTH,
        STUDY_DAY,
    ):
        planted.add(value, "identity")
    for value in ("1931-04-07", "07.04.1931", "18.01.2023", "2023-01-18", PLAN_DAY):
        planted.add(value, "date")
    series = make_patient(
        folder / f"{SURNAME}_{FIRST}" / "ct",
        patient=MRN,
        name=f"{SURNAME}^{FIRST}",
        slices=slices,
        contoured=range(1, slices - 1),
        rois={
            "Bladder": ((40.0, 30.0), (20.0, 12.0)),
            f"GTV {SURNAME} 07.04.1931": ((40.0, 45.0), (10.0, 8.0)),
            f"PTV {MRN}": ((30.0, 25.0), (9.0, 8.0)),
            "Nodule Pfefferminzia": ((25.0, 25.0), (5.0, 5.0)),
        },
    )
    planted.add("Pfefferminzia", "ROI name")
    _rt_objects(series, planted)
    write_registration(
        series.folder / "reg.dcm", generate_uid(), series.headers[0].FrameOfReferenceUID, [np.eye(4)], MRN
    )
    for path in sorted(series.folder.glob("*.dcm")):
        _disguise(path, planted)
    _odd_encodings(folder / "odd", planted)
    for path in folder.rglob("*.dcm"):
        planted.uids.update(_instance_uids(dcmread(path, stop_before_pixels=True, force=True)))
    return planted


def _disguise(path: Path, planted: Planted) -> None:
    """Identity into one file: header, private and unknown attributes, sequences in sequences, overlays, file meta."""
    dataset = dcmread(path)
    _identify(dataset)
    word = unicodedata.normalize("NFC", f"Geheim{sum(path.name.encode()) % 997}wort")
    planted.add(word, "free text")
    dataset.SeriesDescription = f"CT Abdomen {SURNAME} {word}"
    dataset.StudyDescription = f"Becken {FIRST}, geb. 07.04.1931"
    dataset.ImageComments = f"{word}: siehe {STREET}, 1931-04-07, 18.01.2023, 2023-01-18"
    dataset.Manufacturer = f"{SURNAME} Imaging"
    dataset.StationName = HOSPITAL[:16]
    dataset.BodyPartExamined = SURNAME.upper()[:16]
    dataset.add_new(0x00189999, "LO", f"unknown {SURNAME}")  # no attribute of the Standard
    dataset.add_new(0x00190010, "LO", "ACME 1.0")
    dataset.add_new(0x00191001, "LO", f"{FIRST} {SURNAME}")
    dataset.add_new(0x00191002, "UN", f"secret {MRN} {word}".encode())
    inner = Dataset()
    inner.PatientName, inner.ReferringPhysicianName = f"{SURNAME}^{FIRST}", PHYSICIAN
    inner.add_new(0x00191001, "LO", f"deep {word}")
    inner.TextValue = f"nested {SURNAME} {word}"
    outer = Dataset()
    outer.CodeValue, outer.CodingSchemeDesignator, outer.CodeMeaning = "X1", f"99{SURNAME.upper()[:14]}", f"Plan {word}"
    outer.PurposeOfReferenceCodeSequence = Sequence([copy.deepcopy(inner)])
    dataset.ProcedureCodeSequence = Sequence([outer])
    dataset.RequestAttributesSequence = Sequence([copy.deepcopy(inner)])
    dataset.add_new(0x00191003, "SQ", Sequence([copy.deepcopy(inner)]))
    dataset.OtherPatientIDsSequence = Sequence([copy.deepcopy(inner)])
    dataset.OriginalAttributesSequence = Sequence([copy.deepcopy(inner)])
    text = f"{SURNAME} {word}".encode().ljust(60, b" ")
    dataset.add_new(0x60003000, "OW", text)
    dataset.add_new(0x60000022, "LO", f"overlay {SURNAME}")
    dataset.add_new(0x50003000, "OW", text)
    dataset.add_new(0xFFFCFFFC, "OB", text)
    meta = dataset.file_meta
    meta.SourceApplicationEntityTitle = SURNAME[:16]
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = generate_uid(), f"{MRN} {word}".encode().ljust(40)
    dataset.preamble = f"{SURNAME} {MRN}".encode().ljust(128, b"\0")
    dataset.save_as(path, enforce_file_format=True)


def _identify(dataset: Dataset) -> None:
    dataset.PatientName, dataset.PatientID = f"{SURNAME}^{FIRST}^Aurelius", MRN
    dataset.PatientBirthDate, dataset.PatientAge, dataset.PatientWeight = BIRTH, "091Y", "71.5"
    dataset.PatientAddress, dataset.OtherPatientIDs = STREET, f"{MRN}\\8846213"
    dataset.ReferringPhysicianName, dataset.OperatorsName = PHYSICIAN, f"{PHYSICIAN}\\{SURNAME}"
    dataset.InstitutionName, dataset.AccessionNumber, dataset.StudyID = HOSPITAL, "ACC8846213", "8846213"
    dataset.StudyDate, dataset.StudyTime = STUDY_DAY, "101500"
    dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = STUDY_DAY
    dataset.AcquisitionDateTime = f"{STUDY_DAY}101500.5+0100"


def _rt_objects(series, planted: Planted) -> None:
    header, structures = series.headers[0], dcmread(series.folder / "structures.dcm")
    plan = _new(header, RTPlanStorage, "RTPLAN")
    plan.RTPlanLabel, plan.RTPlanName, plan.RTPlanDate = f"{SURNAME[:8]}1", f"{FIRST} Boost", PLAN_DAY
    plan.RTPlanGeometry = "PATIENT"
    beam, dose_reference, fractions = Dataset(), Dataset(), Dataset()
    beam.BeamNumber, beam.BeamName, beam.TreatmentMachineName = 1, f"AP {SURNAME}", "Linac Wunibald"
    beam.BeamDescription, beam.BeamType, beam.RadiationType = planted.add("Strahlenfeldia", "beam"), "STATIC", "PHOTON"
    dose_reference.DoseReferenceNumber, dose_reference.DoseReferenceUID = 1, generate_uid()
    dose_reference.DoseReferenceDescription = f"Ziel {SURNAME}"
    fractions.FractionGroupNumber, fractions.NumberOfFractionsPlanned, fractions.NumberOfBeams = 1, 30, 1
    plan.BeamSequence, plan.DoseReferenceSequence, plan.FractionGroupSequence = [beam], [dose_reference], [fractions]
    plan.ReferencedStructureSetSequence = [_reference(structures)]
    plan.save_as(series.folder / "plan.dcm", enforce_file_format=True)
    dose = _new(header, RTDoseStorage, "RTDOSE")
    dose.Rows, dose.Columns, dose.NumberOfFrames = 8, 9, 3
    dose.ImagePositionPatient, dose.ImageOrientationPatient = (
        header.ImagePositionPatient,
        header.ImageOrientationPatient,
    )
    dose.PixelSpacing, dose.GridFrameOffsetVector = [5, 5], [0, 3, 6]
    dose.SamplesPerPixel, dose.PhotometricInterpretation, dose.PixelRepresentation = 1, "MONOCHROME2", 0
    dose.BitsAllocated, dose.BitsStored, dose.HighBit = 16, 16, 15
    dose.DoseUnits, dose.DoseType, dose.DoseSummationType, dose.DoseGridScaling = "GY", "PHYSICAL", "PLAN", "0.001"
    dose.DoseComment = f"fuer {FIRST} {SURNAME}"
    dose.ReferencedRTPlanSequence = [_reference(plan)]
    dose.PixelData = np.arange(8 * 9 * 3, dtype=np.uint16).tobytes()
    dose.save_as(series.folder / "dose.dcm", enforce_file_format=True)
    segmentation = _new(header, SegmentationStorage, "SEG")
    segmentation.Rows, segmentation.Columns, segmentation.NumberOfFrames = 8, 8, 1
    segmentation.SamplesPerPixel, segmentation.PhotometricInterpretation, segmentation.PixelRepresentation = (
        1,
        "MONOCHROME2",
        0,
    )
    segmentation.BitsAllocated, segmentation.BitsStored, segmentation.HighBit = 8, 8, 7
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel, segment.SegmentDescription = 1, f"Tumor {SURNAME}", f"von {FIRST}"
    segmentation.SegmentSequence = [segment]
    segmentation.ContentCreatorName, segmentation.ContentDescription = PHYSICIAN, f"{SURNAME} segmented"
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    segmentation.SourceImageSequence = [source]
    segmentation.PixelData = np.eye(8, dtype=np.uint8).tobytes()
    segmentation.save_as(series.folder / "seg.dcm", enforce_file_format=True)


def _new(header: Dataset, sop_class: str, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = sop_class, meta.MediaStorageSOPInstanceUID, modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = header.StudyInstanceUID, generate_uid()
    dataset.FrameOfReferenceUID = header.FrameOfReferenceUID
    return dataset


def _reference(dataset: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    return item


ODD_NAMES = {
    "big": ("ISO_IR 100", "Würzenbächer^Gräfin", ("Würzenbächer", "Gräfin")),
    "japan": (
        ["", "ISO 2022 IR 87"],
        "Takamizawa^Kojiro=高見沢^小次郎=たかみざわ^こじろう",
        ("Takamizawa", "高見沢", "たかみざわ"),
    ),
    "greek": ("ISO_IR 126", "Παπαχαραλάμπους^Νεφέλη", ("Παπαχαραλάμπους", "Νεφέλη")),
    "cyrillic": ("ISO_IR 144", "Вознесенская^Лариса", ("Вознесенская", "Лариса")),
    "utf8": ("ISO_IR 192", "Łękawska^Żaneta", ("Łękawska", "Żaneta")),
    "short": ("ISO_IR 100", "Ng^Bo", ()),
}
_SYNTAXES = {
    "big": ExplicitVRBigEndian,
    "japan": ImplicitVRLittleEndian,
    "greek": DeflatedExplicitVRLittleEndian,
    "cyrillic": ExplicitVRLittleEndian,
    "utf8": ImplicitVRLittleEndian,
    "short": ExplicitVRLittleEndian,
}


def _odd_encodings(folder: Path, planted: Planted) -> None:
    for number, (kind, (charset, name, parts)) in enumerate(ODD_NAMES.items()):
        mrn = planted.add(f"77{number}31{number}9", "odd Patient ID")
        series = make_series(folder / kind, slices=1, patient=mrn, name="", modality="MR")
        dataset = dcmread(series.files[0])
        dataset.SpecificCharacterSet = charset
        dataset.PatientName, dataset.PatientBirthDate = name, "19620229" if kind == "short" else f"1958091{number}"
        dataset.SeriesDescription = f"T1 ax {name.partition('^')[0]}"
        dataset.AcquisitionNumber = mrn  # a number in an attribute for numbers
        dataset.ProtocolName = "Bo T1" if kind == "short" else f"T1 {mrn}"
        dataset.PatientComments = name.replace("^", " ").replace("=", " ")
        item = Dataset()
        item.PersonName, item.ObservationDateTime = name, "20220713081500"
        dataset.AcquisitionContextSequence = [item]
        dataset.add_new(0x00110010, "LO", "ODD")
        dataset.add_new(0x00111001, "UN", name.partition("^")[0].encode("utf-16-le"))
        for part in parts:
            planted.add(part, f"name in {kind}")
        syntax = _SYNTAXES[kind]
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        dcmwrite(
            series.files[0], dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian,
            force_encoding=True,
        )  # fmt: skip
        if kind == "utf8":  # a bare data set, as some archives keep them
            data = series.files[0].read_bytes()
            start = 144 + int.from_bytes(data[140:144], "little")
            series.files[0].write_bytes(data[start:])


def _instance_uids(dataset: Dataset) -> Iterator[str]:
    """UIDs of studies, series, instances, frames and the like; not those of the Standard."""
    for element in dataset.iterall():
        if element.VR == "UI" and element.value:
            values = [element.value] if isinstance(element.value, str) else element.value
            yield from (str(value) for value in values if not str(value).startswith("1.2.840.10008."))


ENCODINGS = (
    "utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso2022_jp", "iso8859-2", "iso8859-5", "iso8859-7", "cp1251",
    "cp1252", "cp932",
)  # fmt: skip


def left_over(planted: Planted, folder: Path) -> list[str]:
    """Where planted values or original UIDs are still in the files or file names below `folder`.

    On its own, not the program's search: every byte of every file, deflated ones inflated, in eleven encodings.
    """
    wanted = {}
    for value, where in planted.values.items():
        for form in {f(v) for v in (value, unicodedata.normalize("NFD", value)) for f in (str, str.lower, str.upper)}:
            for encoding in ENCODINGS:
                try:
                    wanted[form.encode(encoding).lower()] = f"{value} ({where})"
                except UnicodeEncodeError:
                    continue
    wanted |= {uid.encode(): f"UID {uid}" for uid in planted.uids}
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = _inflated(path).lower() + str(path.relative_to(folder)).lower().encode()
        found += [f"{path.relative_to(folder)}: {what}" for value, what in wanted.items() if value in data]
    return found


def _inflated(path: Path) -> bytes:
    data = path.read_bytes()
    if b"1.2.840.10008.1.2.1.99" in data[:1000]:
        dataset = dcmread(path)
        return data + "\n".join(str(element) for element in dataset.iterall()).encode()
    return data


__all__ = ["Planted", "ellipse", "left_over", "plant"]
