"""The objects of an index, read from its store one at a time: dictionaries that do not grow with the data."""

import json
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from .objects import (
    ImageSeries,
    Registration,
    RtObject,
    Slices,
)
from .record import PART, PHASE
from .scan import given_path
from .store import Store

Value = TypeVar("Value")
Show = Callable[[str], Path]
"""Absolute path -> the path as the user would write it."""

LOADED_SERIES = 4


class SeriesRows(Mapping[str, ImageSeries]):
    """Series Instance UID -> series. Slices are loaded for a series at a time; those of the last few are kept."""

    def __init__(self, store: Store, show: Show) -> None:
        self._store, self._show = store, show
        self._loaded: OrderedDict[str, Slices] = OrderedDict()
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return (uid for (uid,) in self._store.rows("SELECT uid FROM series ORDER BY uid"))

    def __len__(self) -> int:
        return self._store.rows("SELECT count(*) FROM series")[0][0]

    def __contains__(self, uid: object) -> bool:
        return bool(self._store.rows("SELECT 1 FROM series WHERE uid = ?", uid))

    def __getitem__(self, uid: str) -> ImageSeries:
        found = self._store.rows(
            "SELECT shared, count(*) AS n, min(path) FROM slice WHERE series = ? GROUP BY part ORDER BY n DESC, min(path)",
            uid,
        )
        if not found:
            raise KeyError(uid)
        values = dict(zip(PART, json.loads(found[0][0]), strict=True))
        return ImageSeries(
            uid=uid,
            study_uid=values["StudyInstanceUID"],
            frame_of_reference_uid=values["FrameOfReferenceUID"],
            modality=values["Modality"],
            patient_id=values["PatientID"],
            patient_name=values["PatientName"],
            count=sum(n for _, n, _ in found),
            study_date=values["StudyDate"],
            study_description=values["StudyDescription"],
            description=values["SeriesDescription"],
            protocol_name=values["ProtocolName"],
            sequence_name=values["SequenceName"],
            number=values["SeriesNumber"],
            rows=values["Rows"],
            columns=values["Columns"],
            transfer_syntax_uid=values["TransferSyntaxUID"],
            load=lambda: self._slices(uid),
        )

    def _slices(self, uid: str) -> Slices:
        with self._lock:
            if uid not in self._loaded:
                self._loaded[uid] = self._load(uid, _dataset)
                if len(self._loaded) > LOADED_SERIES:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(uid)
            return self._loaded[uid]

    def plain(self, uid: str) -> ImageSeries:
        """The series with dictionaries of texts for headers: many times as fast, for rules that go through all series."""
        slices = self._load(uid, _plain)
        return replace(self[uid], load=lambda: slices)

    def _load(self, uid: str, header: Callable[[dict], Any]) -> Slices:
        slices = Slices()
        rows = self._store.rows(
            "SELECT uid, path, shared, position, number, phase FROM slice WHERE series = ? ORDER BY path", uid
        )
        for instance, path, shared, position, number, phase in rows:
            values = dict(zip(PART, json.loads(shared), strict=True)) | dict(zip(PHASE, json.loads(phase), strict=True))
            values |= {"SOPInstanceUID": instance, "ImagePositionPatient": position, "InstanceNumber": number}
            slices.files[instance] = self._show(given_path(path))
            slices.headers[instance] = header(values)
        return slices


def _plain(values: dict) -> dict:
    return {
        key: value.split("\\") if isinstance(value, str) and "\\" in value else value for key, value in values.items()
    }


def _dataset(values: dict):
    """A pydicom data set of header elements as the store keeps them."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd but readable values
        for keyword, value in values.items():
            if value not in ("", None) and keyword not in ("TransferSyntaxUID", "StandIn"):
                with suppress(ValueError, TypeError, OverflowError):
                    setattr(dataset, keyword, value.split("\\") if isinstance(value, str) and "\\" in value else value)
    return dataset


class ObjectRows(Mapping[str, Value], Generic[Value]):
    """SOP Instance UID -> RT object or registration."""

    def __init__(self, store: Store, show: Show, kind: str, build: Callable[[Path, str, dict], Value]) -> None:
        self._store, self._show, self._kind, self._build = store, show, kind, build

    def __iter__(self) -> Iterator[str]:
        return (uid for (uid,) in self._store.rows("SELECT uid FROM object WHERE kind = ? ORDER BY uid", self._kind))

    def __len__(self) -> int:
        return self._store.rows("SELECT count(*) FROM object WHERE kind = ?", self._kind)[0][0]

    def __contains__(self, uid: object) -> bool:
        return bool(self._store.rows("SELECT 1 FROM object WHERE +kind = ? AND uid = ?", self._kind, uid))

    def __getitem__(self, uid: str) -> Value:
        found = self._store.rows("SELECT path, content FROM object WHERE +kind = ? AND uid = ?", self._kind, uid)
        if not found:
            raise KeyError(uid)
        path, content = found[0]
        return self._build(self._show(given_path(path)), uid, json.loads(content))


class Subset(Mapping[str, Value], Generic[Value]):
    """Some of the entries of another dictionary."""

    def __init__(self, whole: Mapping[str, Value], uids: Collection[str]) -> None:
        self._whole = whole
        self._uids = dict.fromkeys(uid for uid in whole if uid in uids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._uids)

    def __len__(self) -> int:
        return len(self._uids)

    def __getitem__(self, uid: str) -> Value:
        if uid not in self._uids:
            raise KeyError(uid)
        return self._whole[uid]


def rt_object(modality: str) -> Callable[[Path, str, dict], RtObject]:
    """What makes an `RtObject` of a stored record."""

    def build(path: Path, uid: str, content: dict) -> RtObject:
        many = {key: tuple(value) for key, value in content.items() if isinstance(value, list)}
        one = {key: value for key, value in content.items() if not isinstance(value, list)}
        references = (*many.get("structure_set_uids", ()), *many.get("plan_uids", ()))
        return RtObject(path, modality, uid, references=references, **one, **many)

    return build


def registration_object(path: Path, uid: str, content: dict) -> Registration:
    """A `Registration` of a stored record."""
    found = {frame: (kind, tuple(matrix)) for frame, kind, matrix in content["sources"]}
    return Registration(
        path, uid, content["patient_id"], content["patient_name"], content["frame_of_reference_uid"],
        sources={frame: matrix for frame, (_, matrix) in found.items()},
        kinds={frame: kind for frame, (kind, _) in found.items()},
        study_uid=content["study_uid"], study_date=content["study_date"], deformable=content["deformable"],
    )  # fmt: skip
