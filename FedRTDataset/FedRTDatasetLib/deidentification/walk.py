"""One data set into its de-identified copy: built anew, element by element, so that what no rule lets through is not
there.

Every attribute has one of three grounds to stay: a rule of the profile (`profile.py`), a kind of value that holds no
text (numbers, pixels, references under new UIDs), or a text that was cleaned. Private and unknown attributes,
overlays and curves have none.
"""

from collections import Counter
from typing import TYPE_CHECKING

from . import dates, elements, profile
from .descriptors import NEUTRAL_STEMS, Descriptors, unique
from .gather import note_values
from .removed import (
    DATE,
    IDENTITY,
    PLACE,
    TEXT,
    UID,
    Removed,
)
from .settings import Settings
from .uids import is_well_known, names_a_class, new_uid
from .values import (
    REMOVED,
    clean_code,
    clean_coded_string,
    clean_ethnic_group,
    clean_technical,
    dummy,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_REPEATING = (0x5000, 0x6000)
_WRITTEN_ANEW = frozenset({0x00080005, 0x00100010, 0x00100020, 0x00120062, 0x00120063, 0x00120064, 0x00280303})
_ROI_NAMES = frozenset({0x30060026, 0x30060085})
_CODE_ITEM = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080104, 0x00080119, 0x00080120})
_LONG = frozenset({"LT", "ST", "UT"})


class Walk:
    """De-identifies the data sets of one object. Afterwards `removed` holds what went and `counts` how often each
    action was taken."""

    def __init__(self, settings: Settings, key, descriptors: Descriptors, days: int, sop_class: str) -> None:
        self.settings, self._key, self._days, self._sop_class = settings, key, days, sop_class
        self._descriptors = descriptors
        self._columns = settings.columns
        self.removed, self.counts = Removed(), Counter()

    def copy(self, dataset: "Dataset", nested: bool = False) -> "Dataset":
        """The de-identified copy of a data set or of an item of a sequence."""
        from pydicom.dataset import Dataset

        copy = Dataset()
        private = _safe_private_blocks(dataset) if "safe_private" in self._columns else {}
        for tag in sorted(dataset.keys()):
            raw = dataset.get_item(tag)
            number = int(tag)
            if number & 0xFFFF == 0 or number >> 16 < 8:
                continue  # group lengths; command and file meta groups do not belong here
            if tag.is_private:
                self._private(dataset, copy, raw, private)
            elif _is_repeating(number) or elements.dictionary_vr(number) is None:
                self._drop(dataset, raw, "graphics removed" if _is_repeating(number) else "unknown removed")
            elif number in _WRITTEN_ANEW and (not nested or number in (0x00100010, 0x00100020, 0x00080005)):
                self._note(dataset, raw, IDENTITY if number >> 16 == 0x0010 else TEXT)
            else:
                self._public(dataset, copy, raw, number, nested)
        if 0x00080104 in dataset:
            clean_code(dataset, copy, self._descriptors, self.counts)
        return copy

    # --- attributes of the Standard
    # -----------------------------------------------------------------------------------

    def _public(self, dataset, copy, raw, tag: int, nested: bool) -> None:
        row = profile.row_of(tag)
        vr = elements.effective_vr(raw)
        if vr is None:
            return self._drop(dataset, raw, "unreadable removed")
        if vr in elements.DATES and (row is None or "modified_dates" in row.options):
            return self._date(dataset, copy, raw, tag, vr, nested)
        if row is None:
            return self._unlisted(dataset, copy, raw, tag, vr, nested)
        chosen = {action for column, action in row.options.items() if column in self._columns}
        if "K" in chosen:
            if (vr in elements.TEXT and "patient_characteristics" not in row.options) or vr == "UI":
                self.removed.kept.update(text for text, _ in elements.texts_of(dataset, raw))
            return self._keep(dataset, copy, raw, tag, vr)
        if "C" in chosen and vr in elements.TEXT:
            return self._clean_text(dataset, copy, raw, tag, vr, nested)
        self._take(dataset, copy, raw, tag, vr, profile.basic_action(tag, self._sop_class, nested), row)

    def _take(self, dataset, copy, raw, tag: int, vr: str, action: str, row) -> None:
        """One of the profile's own actions: X remove, Z empty, D dummy, U new UID."""
        if action == "U" or (action == "D" and vr == "UI"):
            if vr == "SQ":
                return self._sequence(dataset, copy, tag)
            return self._uid(dataset, copy, raw, tag)
        self._note(dataset, raw, _kind(tag, vr, row))
        self.counts[{"X": "removed", "Z": "emptied", "D": "dummy"}[action]] += 1
        if action != "X":
            copy.add_new(tag, _plain_vr(tag, vr), dummy(_plain_vr(tag, vr)) if action == "D" else _empty(vr))

    def _unlisted(self, dataset, copy, raw, tag: int, vr: str, nested: bool) -> None:
        """Attributes the table does not list, by kind of value: numbers and references stay, texts are cleaned,
        people go."""
        if vr == "UI" and not names_a_class(elements.keyword(tag)):
            return self._uid(dataset, copy, raw, tag)
        if vr in ("PN", "AE", "UR", "UN") or (vr == "OB" and not elements.is_bulk(tag)):
            return self._drop(dataset, raw, "removed")
        if vr in elements.TEXT and tag not in _CODE_ITEM:
            return self._clean_text(dataset, copy, raw, tag, vr, nested)
        self._keep(dataset, copy, raw, tag, vr)

    def _keep(self, dataset, copy, raw, tag: int, vr: str) -> None:
        """Keep a value of a kind that can be kept; what does not have that kind's form is emptied."""
        if vr == "SQ":
            return self._sequence(dataset, copy, tag)
        if elements.is_bulk(tag) or (vr in elements.NUMBERS and elements.has_whole_numbers(raw, vr)):
            copy[tag] = raw if raw.VR not in (None, "UN") or copy_is_implicit(dataset) else dataset[tag]
            return None
        if vr in elements.NUMBERS:
            return self._emptied(dataset, copy, raw, tag, vr)
        if vr in elements.NUMBERS_AS_TEXT:
            if elements.holds_numbers(raw, vr) and not self._descriptors.holds_number(raw.value):
                copy[tag] = raw if vr == raw.VR or copy_is_implicit(dataset) else dataset[tag]
                return None
            return self._emptied(dataset, copy, raw, tag, vr)
        texts = [text for text, _ in elements.texts_of(dataset, raw)]
        if vr == "CS":
            kept = clean_coded_string(texts, self._descriptors, elements.keyword(tag))
        elif vr == "AS":
            kept = [dates.safe_age(text) for text in texts]
        elif vr == "UI":
            kept = texts
        elif tag in (0x00102160, 0x00102162):
            kept = clean_ethnic_group(texts)
        else:
            kept = clean_technical(texts, self._descriptors)
        if kept != texts:
            self._note(dataset, raw, TEXT)
            self.counts["cleaned"] += 1
        self._write(copy, tag, vr, kept)
        return None

    def _sequence(self, dataset, copy, tag: int) -> None:
        from pydicom.sequence import Sequence

        items = [self.copy(item, nested=True) for item in dataset[tag].value or []]
        if tag == 0x30060020:
            self._distinct_names(items, 0x30060026)
        copy.add_new(tag, "SQ", Sequence(items))

    @staticmethod
    def _distinct_names(items, tag: int) -> None:
        """Two ROIs of a structure set that have come to the same name stay apart."""
        with_name = [item for item in items if tag in item]
        for item, name in zip(with_name, unique(str(item[tag].value) for item in with_name), strict=True):
            item[tag].value = name

    def _uid(self, dataset, copy, raw, tag: int) -> None:
        olds = [text for text, _ in elements.texts_of(dataset, raw)]
        for old in olds:
            if not is_well_known(old):
                self.removed.add(UID, old, elements.keyword(tag))
        self.counts["new UIDs"] += len(olds)
        self._write(copy, tag, "UI", [new_uid(old, self._key) for old in olds])

    def _date(self, dataset, copy, raw, tag: int, vr: str, nested: bool) -> None:
        """Times of day stay with either option: a shift of whole days does not touch them."""
        texts = [text for text, _ in elements.texts_of(dataset, raw)]
        row, mode = profile.row_of(tag), self.settings.dates
        if mode == "removed" or not texts:
            action = "X" if row is None else profile.basic_action(tag, self._sop_class, nested)
            self._note(dataset, raw, DATE if vr != "TM" else TEXT)
            if texts:
                self.counts[f"dates {'removed' if action == 'X' else 'emptied' if action == 'Z' else 'dummy'}"] += 1
            if action != "X":
                copy.add_new(tag, vr, dummy(vr) if action == "D" and texts else "")
            return
        new = [dates.shifted(text, vr, 0 if mode == "full" else self._days) for text in texts]
        if vr != "TM" and mode == "modified":
            self._note(dataset, raw, DATE)
            self.counts["dates shifted"] += len(new)
        self._write(copy, tag, vr, [text for text in new if text])

    def _clean_text(self, dataset, copy, raw, tag: int, vr: str, nested: bool) -> None:
        """Known words stay; of a long text all must be known. What is left without a word is treated as the profile
        says."""
        texts = [text for text, _ in elements.texts_of(dataset, raw)]
        if tag in _ROI_NAMES:
            kept = [self._descriptors.roi_name(text) for text in texts]
        elif tag in NEUTRAL_STEMS:
            stem = NEUTRAL_STEMS[tag]
            kept = [t if self._descriptors.is_clean(t) else self._descriptors.neutral(t, stem) for t in texts]
        elif vr in _LONG or vr == "UC":
            kept = [text for text in texts if self._descriptors.is_clean(text)]
        elif elements.keyword(tag) in TECHNICAL:
            kept = clean_technical(texts, self._descriptors)
        else:
            kept = [self._descriptors.known_words(text) for text in texts]
        if kept == texts:
            if texts or vr != "UC":
                self._write(copy, tag, vr, kept)
            return
        self._note(dataset, raw, TEXT)
        row = profile.row_of(tag)
        if row is not None and not any(kept):
            self._take(dataset, copy, raw, tag, vr, profile.basic_action(tag, self._sop_class, nested), row)
            return
        self.counts["cleaned"] += 1
        self._write(
            copy, tag, vr, [text or REMOVED for text in kept] or [REMOVED]
        )  # valid whatever the attribute's type

    def _emptied(self, dataset, copy, raw, tag: int, vr: str) -> None:
        self._note(dataset, raw, TEXT)
        self.counts["emptied"] += 1
        copy.add_new(tag, _plain_vr(tag, vr), _empty(vr))

    def _write(self, copy, tag: int, vr: str, values: list[str]) -> None:
        vr = _plain_vr(tag, vr)
        copy.add_new(tag, vr, values[0] if len(values) == 1 else values or "")

    # --- what goes
    # ----------------------------------------------------------------------------------------------------

    def _private(self, dataset, copy, raw, blocks: dict) -> None:
        """Private attributes go, save listed ones that are numbers and have the form of numbers."""
        tag = int(raw.tag)
        creator = blocks.get((tag >> 16, (tag >> 8) & 0xFF))
        vr = profile.safe_private().get((tag >> 16, creator, tag & 0xFF)) if creator else None
        if vr is not None and raw.VR in (None, "UN", vr) and elements.holds_numbers(raw, vr):
            block = copy.private_block(tag >> 16, creator, create=True)
            block.add_new(tag & 0xFF, vr, _private_value(raw, vr))
            self.removed.kept.add(creator)
            self.counts["safe private kept"] += 1
            return
        self._drop(dataset, raw, "private removed")

    def _drop(self, dataset, raw, count: str) -> None:
        self._note(dataset, raw, TEXT)
        self.counts[count] += 1

    def _note(self, dataset, raw, kind: str) -> None:
        """Put what an element holds, also in its sequences, on the list that the output is searched for."""
        note_values(self.removed, dataset, raw, kind)


_TECHNICAL_TEXT = (
    "RescaleType Manufacturer ManufacturerModelName SoftwareVersions ConvolutionKernel SequenceName PulseSequenceName "
    "PositionReferenceIndicator TransmitCoilName ReceiveCoilName FilterType ReconstructionMethod "
    "AttenuationCorrectionMethod RandomsCorrectionMethod ScatterCorrectionMethod DecayCorrection "
    "TransducerData ReconstructionAlgorithm AlgorithmVersion AlgorithmName BeamModifierModel MaterialID "
    "RadionuclideHalfLife TypeOfData"
)
TECHNICAL = frozenset(_TECHNICAL_TEXT.split())
"""Names of products and methods: kept unless they hold a part of the patient's identity or a long number."""


def _kind(tag: int, vr: str, row) -> str:
    if vr == "PN" or tag >> 16 == 0x0010 or tag in (0x00080050, 0x00200010, 0x00380010, 0x00401001):
        return IDENTITY if vr not in ("CS", "AS", "DS", "US") and "clean_descriptors" not in row.options else TEXT
    return TEXT if "clean_descriptors" in row.options else PLACE


def _plain_vr(tag: int, vr: str) -> str:
    """The Standard's VR for values written anew."""
    return elements.dictionary_vr(tag) or vr


def _empty(vr: str):
    return [] if vr == "SQ" else None if vr in elements.NUMBERS else ""


def _is_repeating(tag: int) -> bool:
    return any(first <= tag >> 16 <= first + 0xFF for first in _REPEATING)


def copy_is_implicit(dataset: "Dataset") -> bool:
    """True where elements are written without their VR, as they were read."""
    return dataset.original_encoding[0] is True


def _safe_private_blocks(dataset: "Dataset") -> dict[tuple[int, int], str]:
    """(group, block) -> private creator."""
    creators = {}
    for tag in list(dataset.keys()):
        if tag.is_private_creator:
            texts = elements.texts_of(dataset, dataset.get_item(tag))
            creators[int(tag) >> 16, int(tag) & 0xFF] = texts[0][0].strip() if texts else ""
    return creators


def _private_value(raw, vr: str):
    from pydicom.dataelem import convert_raw_data_element

    return convert_raw_data_element(raw._replace(VR=vr)).value if getattr(raw, "is_raw", False) else raw.value
