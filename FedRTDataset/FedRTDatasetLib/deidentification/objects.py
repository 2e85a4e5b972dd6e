"""One file into its de-identified copy: data set, file meta information, and the record of what was done."""

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from ..atomic import replacing
from ..naming.names import NameMap
from ..pseudonym import SiteKey
from ..system_error import with_number
from . import dates, profile
from .descriptors import Descriptors
from .gather import note_values
from .removed import TEXT, Removed
from .settings import Settings
from .survey import Survey, read_header
from .uids import new_uid
from .walk import Walk

_KEPT_CHARACTERS = "ISO_IR 192"


@dataclass(frozen=True)
class Job:
    """What a worker needs for one file. target None: only what would be removed is wanted (the copy is there
    already)."""

    survey: Survey
    pseudonym: str
    identity: frozenset[str]
    target: Path | None


@dataclass
class Done:
    """What came of a file. problem: why there is no copy."""

    survey: Survey
    problem: str = ""
    counts: Counter = field(default_factory=Counter)
    removed: Removed = field(default_factory=Removed)


def deidentify_file(job: Job, settings: Settings, key: SiteKey, names: NameMap | None) -> Done:
    """Write the de-identified copy of one file; the original is only read.

    Raises:
        OSError: the copy cannot be written (disk full ...); everything that is wrong with the original ends up in
        `problem`.
    """
    done = Done(job.survey)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = read_header(job.survey.path, pixels=job.target is not None)
            done.problem = _unreadable(dataset) if job.target is not None else ""
            if done.problem:
                return done
            copy = _copy(dataset, job, settings, key, names, done)
    except OSError as error:
        done.problem = f"cannot be read ({error.strerror or 'input/output error'})"
        return done
    except Exception as error:
        done.problem = f"damaged, cannot be cleaned ({type(error).__name__})"
        return done
    if job.target is not None:
        try:
            with warnings.catch_warnings(), replacing(job.target) as partial:
                warnings.simplefilter("ignore")
                copy.save_as(partial, enforce_file_format=True)
        except OSError as error:
            raise with_number(error) from None  # another process is told no more than the error itself
        except Exception as error:
            done.problem = f"holds a value that cannot be written ({type(error).__name__})"
    return done


def _copy(dataset, job: Job, settings: Settings, key: SiteKey, names: NameMap | None, done: Done):
    from pydicom.dataset import FileDataset

    syntax = _transfer_syntax(dataset)
    days = dates.shift_days(job.survey.patient, key)
    descriptors = Descriptors(key, job.survey.patient, job.identity, names, settings.harmless_words)
    walk = Walk(settings, key, descriptors, days, job.survey.sop_class)
    body = walk.copy(dataset)
    _say_what_was_done(body, dataset, settings, job.pseudonym)
    copy = FileDataset(None, body, preamble=b"\0" * 128, file_meta=_file_meta(job.survey, settings, key, syntax))
    # Numbers and pixels are written as the bytes they were read as; everything else was made anew in UTF-8.
    for part in _with_items(copy):
        part.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian, part._character_set)
    _note_file_meta(walk.removed, dataset)
    done.counts, done.removed = walk.counts, walk.removed
    done.removed.merge(job.survey.removed)
    return copy


def _with_items(dataset):
    yield dataset
    for element in dataset.values():
        if element.VR == "SQ" and not getattr(element, "is_raw", False):
            for item in element.value:
                yield from _with_items(item)


def _say_what_was_done(body, dataset, settings: Settings, pseudonym: str) -> None:
    """Patient module and the attributes of PS3.15 E.1.1 and E.3.6 that tell what was done."""
    from pydicom.dataset import Dataset

    body.SpecificCharacterSet = _KEPT_CHARACTERS
    body.PatientName, body.PatientID = pseudonym, pseudonym
    if "patient_characteristics" in settings.columns and not body.get("PatientAge"):
        day = next(
            (dataset.get(k) for k in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate") if dataset.get(k)),
            "",
        )
        age = dates.age_on(str(dataset.get("PatientBirthDate", "") or ""), str(day or ""))
        if age:
            body.PatientAge = age
    body.PatientIdentityRemoved = "YES"
    body.DeidentificationMethod = [
        f"FedRT {__version__}",
        profile.EDITION,
        *(f"Retain {name}"[:64] for name in settings.retain),
    ]
    body.LongitudinalTemporalInformationModified = {
        "full": "UNMODIFIED", "modified": "MODIFIED", "removed": "REMOVED"
    }[settings.dates]  # fmt: skip
    codes = [profile.BASIC_CODE]
    codes += [profile.DESCRIPTORS_CODE] if settings.descriptors == "clean" else []
    codes += [profile.OPTIONS[name][1:] for name in settings.retain]
    items = []
    for value, meaning in codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    body.DeidentificationMethodCodeSequence = items


def _file_meta(survey: Survey, settings: Settings, key: SiteKey, syntax):
    """A new header: no application entities, no private information, no preamble of the original."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = survey.sop_class
    meta.MediaStorageSOPInstanceUID = survey.instance if "uids" in settings.columns else new_uid(survey.instance, key)
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = f"FEDRT {__version__}"[:16]
    return meta


def _note_file_meta(removed: Removed, dataset) -> None:
    meta = dataset.file_meta
    for tag in list(meta.keys()):
        if int(tag) not in (0x00020010, 0x00020002, 0x00020012, 0x00020013):
            note_values(removed, meta, meta.get_item(tag), TEXT)
    preamble = (getattr(dataset, "preamble", None) or b"").strip(b"\0 ")
    if len(preamble) >= 4 and preamble[:2] not in (b"II", b"MM"):
        removed.add(TEXT, preamble.decode("latin-1"), "preamble")


def _transfer_syntax(dataset):
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
    )

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        return ExplicitVRLittleEndian  # so that the search of the output sees the bytes themselves
    if syntax is not None and not syntax.is_private and syntax.is_transfer_syntax:
        return syntax
    implicit, little = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _unreadable(dataset) -> str:
    """Why the file cannot be read to its end, "" where it can."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None and (syntax.is_private or not syntax.is_transfer_syntax):
        return "a transfer syntax that is none of the Standard"
    if "Rows" not in dataset or "Columns" not in dataset or "BitsAllocated" not in dataset:
        return ""
    if not any(keyword in dataset for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        return "no pixel data (the file was cut off, or holds a header only)"
    syntax = _transfer_syntax(dataset)
    if "PixelData" in dataset and not syntax.is_compressed:
        frames = int(dataset.get("NumberOfFrames") or 1)
        bits = dataset.Rows * dataset.Columns * int(dataset.get("SamplesPerPixel", 1)) * dataset.BitsAllocated * frames
        if str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
            bits = bits * 2 // 3
        if len(dataset.PixelData) < (bits + 7) // 8:
            return "cut off within the pixel data"
    return ""
