"""What is said of a case in its dataset: a kind and numbers, never words that came with the patient's data.

Whoever writes a record picks a kind of `TEXTS` and fills in numbers; the sentence is made of both when it is read. So no
file name, ROI name or free text of a header can get into a dataset, whatever a vendor or a person wrote there.
"""

import string
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StringConstraints

from .finding import Finding, Severity

Kind = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=32)]
"""A word of FedRT's own, such as `foreground` or an image's declared name."""
Number = StrictBool | StrictInt | StrictFloat  # strict: a text of digits (a date, an identifier) is no number
Value = Number | Word | list[Number]

TEXTS = {
    # the images
    "slices-left-out": "{count} slice(s) left out: of another size, orientation or phase, repeated, or unreadable.",
    "slices-missing": "{count} slice(s) missing, the widest gap is {widest_mm} mm: bridged by interpolation.",
    "uneven-slices": "slices are {least_mm} to {widest_mm} mm apart: brought to one distance of {step_mm} mm.",
    "gantry-tilt": "slices were acquired under a gantry tilt of {degrees} degrees: resampled onto an upright grid.",
    "image-missing": "no image {image}: the case goes without.",
    "image-not-aligned": "image {image} is there, but nothing tells how it lies to the primary one: the case goes without.",
    "image-deformable": "image {image} is tied by a deformable registration only, which is not applied: the case goes without.",
    "image-unusable": "image {image} cannot be read or lacks what its units need: the case goes without.",
    "image-suv-impossible": "image {image} cannot be turned into SUV (unusable: {missing}): the case goes without.",
    "image-of-several": "{count} series fit image {image}: the one in the same frame of reference with most slices is used.",
    "image-registered": "image {image} was brought into place by a registration over {steps} step(s).",
    "image-little-overlap": "image {image} covers {percent} percent of the primary image.",
    "body-cropped": "cropped to the body: {percent} percent of the voxels stay.",
    "constant-image": "image {image} has one value everywhere.",
    # the structures
    "structure-sets-several": "{count} structure sets: approved ones go first, then most wanted structures, then the newest.",
    "structure-set-of-other-image": "contours were drawn on another series of the patient and brought over.",
    "link-doubtful": "structure set and images are linked by the frame of reference alone.",
    "roi-second": "{structure}: {count} more ROI(s) of that name; the first with contours is used.",
    "no-area": "{structure}: no closed contours; it counts as not contoured.",
    "contours-broken": "{structure}: {count} unusable contour(s) left out.",
    "contours-beyond": "{structure}: {count} contour(s) beyond the image slices left out.",
    "contours-off-slice": "{structure}: contours beside {count} image slice(s) were taken to them.",
    "contours-interpolated": "{structure}: contours are missing on {count} slice(s) and were interpolated there.",
    "contours-gap": "{structure}: {count} slice(s) without contours within it.",
    "contours-overlap": "{structure}: {count} pair(s) of its contours overlap; their union counts.",
    "contours-tilted": "{structure}: {count} contour(s) do not lie in the plane of the slices and are left out of the mask.",
    "contours-repeated": "{structure}: {count} contour(s) repeat another; counted once.",
    "sub-voxel-slices": "{structure}: on {count} slice(s) its contours enclose no voxel centre.",
    "structure-cut-off": "{structure}: {percent} percent of its volume lie outside the image of the dataset.",
    "roi-other-frame": "{structure}: drawn in another frame of reference than the rest; left out.",
    "frame-differs": "the structure set names these images and another frame of reference; taken as drawn on the images.",
    "other-contours": "{structure}: {count} point(s) or open contour(s) kept beside the mask.",
    "sub-voxel": "{structure}: smaller than the voxels; {count} voxel(s) stand for it.",
    "lost-in-voxels": "{structure}: smaller than the voxels of the dataset; it counts as not contoured.",
    # dose and plan
    "dose-left-out": "{count} dose(s) left out: unreadable, without a grid or in relative units.",
    "dose-summed": "the dose is the sum of {count} grids.",
    "dose-elsewhere": "the dose grid lies beyond the images: it is left out; check that it belongs to them.",
    "modalities-several": "structure sets are drawn on images of {count} modalities: only one of them is built at a time.",
    "dose-smaller": "the dose grid does not cover {structure}: {percent} percent of it lie beyond.",
    "dose-grid-smaller": "the dose is known at {percent} percent of the voxels; beyond, it is 0.",
    "dose-empty": "{count} dose(s) left out: 0 everywhere.",
    "dose-difference": "{count} dose(s) left out: differences between doses (Dose Type ERROR).",
    "dose-delivered": "{count} dose(s) left out: delivered, or of part of a plan only.",
    "dose-beams-missing": "doses of {count} of {of} beams, setups or fraction groups: without the others no dose.",
    "dose-parts-unchecked": "{count} doses of parts of a plan that is not here: added; whether they are all is not known.",
    "dose-plan-twice": "{count} doses of one whole plan: the one with the finest grid is used.",
    "dose-kinds-differ": "physical and effective doses are not added: no dose.",
    "dose-other-frame": "{count} dose(s) left out: in another frame of reference than the structures.",
    "dose-without-plan": "no plan that is here ties the dose to the structures: it is taken by its frame of reference.",
    "plans-several": "{count} plans refer to the structure set.",
    "plans-unreadable": "{count} plan(s) cannot be read: left out.",
    "plans-not-treatment": "{count} plan(s) left out: for verification or research.",
    "plans-rejected": "{count} rejected plan(s) left out.",
    "plans-replaced": "{count} plan(s) left out: another one replaces them.",
    "plans-unapproved": "{count} plan(s) left out that are not approved, because another one is.",
    "plans-summed": "the dose is that of {count} plans, phases of one course.",
    "plans-compete": "{count} plans, and nothing says that they are phases of one course: the newest with a dose is used.",
    "phase-without-dose": "{count} phase(s) of the course have no dose here: the sum is not the whole course.",
    # the case
    "corrected-versions": "{count} corrected structure set(s) from before this build are kept in versions/.",
    # anatomy and whatever else a check finds
    "volume": "{structure}: its volume is outside what is usual; is it the right structure?",
    "side": "{structure}: it lies on the other side of the body than its name says.",
    "swapped-pair": "{structure}: left and right seem to be swapped.",
    "position": "{structure}: it lies where it is not expected.",
    "order": "{structure}: it lies above or below where it should, compared with its neighbours.",
    "pair-volume": "{structure}: its volume differs much from that of its other side.",
    "outside-body": "{structure}: part of it lies outside the body contour.",
    "gap": "{structure}: slices are missing within it.",
    "wrong-volume": "{structure}: its volume is far from what such a structure can have.",
    "mirrored": "most structures lie on the wrong side; the images or the structures are mirrored.",
    "overlap": "{structure}: it overlaps another structure that it should not.",
    "same-mask": "{structure}: it has the same voxels as another structure.",
    # what is skipped, without telling which file it was
    "case-skipped": "a case could not be built.",
    "case-altered": "a case's files were missing or damaged and it was built again.",
    "duplicate": "a second copy of a file is left out.",
    "unreadable": "a file is damaged, truncated, empty or not placed in space.",
    "images-absent": "a structure set was drawn on images that are not here.",
    "images-missing": "a structure set names images that are not in its series.",
    "frame-mismatch": "a structure set names another frame of reference than its images have.",
    "several-series": "a structure set refers to several series: the one with most of its images is used.",
    "unlinked": "a plan or dose refers to nothing that is here: not used.",
    "conflict": "two files have one UID and differ: one is left out.",
    "same-uid": "slices of two series have the same UIDs.",
    "series-slices": "a series holds slices or volumes that are not used.",
    "no-patient-id": "a series has no patient identifier.",
    "missing-uid": "a series lacks its UIDs: taken as one by folder and frame of reference.",
    "multi-frame": "an enhanced multi-frame image, which is not read.",
    "deformable": "a deformable registration, which is not applied.",
    "patient-absent": "a patient who was asked for is not there.",
    "not-received": "images or objects that were asked for were not received.",
    "file-missing": "a file that a database lists is not there.",
    "patient-mismatch": "a file belongs to another patient than the images it refers to.",
    "doubtful-link": "a structure set is linked to its images by the frame of reference alone.",
    "several-structure-sets": "several structure sets on one series: one is used.",
    "structure-set-unused": "a structure set is not used, because another of the same images goes first.",
    "series-unused": "an image series is not used: no structure set belongs to it and no declared image asks for it.",
    "registration-unreadable": "a registration object holds no matrix that can be used.",
    "duplicate-patients": "the same images under {count} patient identifiers: kept in one split.",
    "name-doubted": "a ROI name is not used until a person approves it: geometry contradicts it.",
    "roi-name-unknown": "a ROI has a name that nobody has decided on: not used.",
}  # fmt: skip
"""Kind -> sentence. `{structure}`, `{image}` and the names of values stand for what the record holds."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Frozen):
    """One thing to know of a case. `structure` is a TG-263 name, `image` a declared image's name; empty where neither."""

    kind: Kind
    severity: Severity = "note"
    structure: str = ""
    image: str = ""
    values: dict[Word, Value] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentence."""
        named = {"structure": self.structure or "structures", "image": self.image or "primary"}
        return sentence(self.kind, {**named, **self.values})

    def as_finding(self) -> Finding:
        """In the common form of checks."""
        return Finding(self.kind, self.text, self.structure, self.severity)


class Step(_Frozen):
    """One thing that was done to a case's images or structures, with its parameters."""

    step: Kind
    image: str = ""
    structure: str = ""
    parameters: dict[Word, Value] = Field(default_factory=dict)


class SkippedItem(_Frozen):
    """Something that is not in the dataset, or only doubtfully. `source` is a keyed hash of the file's path."""

    number: int
    kind: Kind
    source: str = ""
    case: str = ""
    values: dict[Word, Value] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentence, without telling which file it was."""
        return sentence(self.kind, self.values)


def sentence(kind: str, values: dict[str, Value]) -> str:
    """The text of `kind` with `values` filled in; a kind without a text is told by its words."""
    return _Filler().format(TEXTS.get(kind, kind.replace("-", " ") + "."), **values)


class _Filler(string.Formatter):
    def get_value(self, key, args, kwargs):
        value = kwargs.get(key, "?")
        return f"{value:.4g}" if isinstance(value, float) else value


Relation = Literal["primary", "same-frame", "registration"]
