"""The header elements that the index reads, and what their values look like.

Values of `Elements`: text as written (multiple values with their backslashes, padding removed), int for US, float for FD, and
a list of `Elements` for a sequence. An element without a value is "" (a sequence: []).
"""

from typing import Any

Elements = dict[str, Any]

WANTED: dict[int, tuple[str, str]] = {
    0x00080005: ("SpecificCharacterSet", "CS"),
    0x00080008: ("ImageType", "CS"),
    0x00080016: ("SOPClassUID", "UI"),
    0x00080018: ("SOPInstanceUID", "UI"),
    0x00080020: ("StudyDate", "DA"),
    0x00080060: ("Modality", "CS"),
    0x00081030: ("StudyDescription", "LO"),
    0x0008103E: ("SeriesDescription", "LO"),
    0x00081155: ("ReferencedSOPInstanceUID", "UI"),
    0x00100010: ("PatientName", "PN"),
    0x00100020: ("PatientID", "LO"),
    0x00180024: ("SequenceName", "SH"),
    0x00180081: ("EchoTime", "DS"),
    0x00180086: ("EchoNumbers", "IS"),
    0x00181030: ("ProtocolName", "LO"),
    0x00181060: ("TriggerTime", "DS"),
    0x00189087: ("DiffusionBValue", "FD"),
    0x0020000D: ("StudyInstanceUID", "UI"),
    0x0020000E: ("SeriesInstanceUID", "UI"),
    0x00200011: ("SeriesNumber", "IS"),
    0x00200012: ("AcquisitionNumber", "IS"),
    0x00200013: ("InstanceNumber", "IS"),
    0x00200032: ("ImagePositionPatient", "DS"),
    0x00200037: ("ImageOrientationPatient", "DS"),
    0x00200052: ("FrameOfReferenceUID", "UI"),
    0x00200100: ("TemporalPositionIdentifier", "IS"),
    0x00280010: ("Rows", "US"),
    0x00280011: ("Columns", "US"),
    0x00280030: ("PixelSpacing", "DS"),
    0x00541300: ("FrameReferenceTime", "DS"),
    0x00700308: ("RegistrationSequence", "SQ"),
    0x00700309: ("MatrixRegistrationSequence", "SQ"),
    0x0070030A: ("MatrixSequence", "SQ"),
    0x0070030C: ("FrameOfReferenceTransformationMatrixType", "CS"),
    0x30040002: ("DoseUnits", "CS"),
    0x3004000A: ("DoseSummationType", "CS"),
    0x30060002: ("StructureSetLabel", "SH"),
    0x30060010: ("ReferencedFrameOfReferenceSequence", "SQ"),
    0x30060012: ("RTReferencedStudySequence", "SQ"),
    0x30060014: ("RTReferencedSeriesSequence", "SQ"),
    0x30060016: ("ContourImageSequence", "SQ"),
    0x30060020: ("StructureSetROISequence", "SQ"),
    0x30060026: ("ROIName", "LO"),
    0x300600C6: ("FrameOfReferenceTransformationMatrix", "DS"),
    0x300A0002: ("RTPlanLabel", "SH"),
    0x300C0002: ("ReferencedRTPlanSequence", "SQ"),
    0x300C0060: ("ReferencedStructureSetSequence", "SQ"),
}
META = {0x02: "MediaStorageSOPClassUID", 0x03: "MediaStorageSOPInstanceUID", 0x10: "TransferSyntaxUID"}
"""Elements of group 0002, by element number."""

KEYWORDS = tuple(keyword for keyword, _ in WANTED.values())

LAST_TAG = {"CT": 0x00280030, "MR": 0x00280030, "PT": 0x00541300, "REG": 0x00700308, "RTSTRUCT": 0x30060020}
"""By modality the last element of interest: what follows (pixels, contours) is never read."""

TEXT = frozenset(("LO", "SH", "PN"))
"""Value representations that the Specific Character Set applies to."""

CODECS = {
    "": "latin-1",
    "ISO_IR 6": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 192": "utf-8",
}
"""Character sets of one code (PS3.3 C.12.1.1.2, Tables C.12-2 and C.12-5); the others are left to pydicom."""

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
