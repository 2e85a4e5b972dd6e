"""The three invented hospitals of the phantom cohort: scanner, population, contouring habits, language.

Every person, place and number here is made up. The hospitals differ as real ones do, and each leaves out another organ.
"""

from dataclasses import dataclass

from .anatomy import Physique
from .image import Scanner


@dataclass(frozen=True)
class Habits:
    """How a hospital contours.

    rois: TG-263 organ name -> the ROI names in use there, the usual one first; an organ that is absent is not contoured.
    margin_mm: TG-263 name -> how far outside (or, negative, inside) the organ the line is drawn. rectum_range_mm: lowest and
    highest contour above the middle of the prostate. vesicles_in_prostate: the seminal vesicles count as prostate.
    femur_neck: the neck is contoured with the head. helper_names: those of the body, the target and the helpers that a plan
    needs and nobody should learn. wobble_mm: how unsteady the hand is.
    """

    rois: dict[str, tuple[str, ...]]
    margin_mm: dict[str, float]
    rectum_range_mm: tuple[float, float]
    vesicles_in_prostate: bool
    femur_neck: bool
    helper_names: dict[str, str]
    wobble_mm: float = 0.8


@dataclass(frozen=True)
class Hospital:
    """One hospital. `key` names its folder; `character_set` is its DICOM Specific Character Set."""

    key: str
    institution: str
    address: str
    character_set: str
    id_prefix: str
    family_names: tuple[str, ...]
    given_names: tuple[str, ...]
    physicians: tuple[str, ...]
    study: str
    planning_system: tuple[str, str]
    machine: str
    prescription: tuple[float, int]
    scanner: Scanner
    physique: Physique
    habits: Habits


NORTHBROOK = Hospital(
    key="northbrook",
    institution="Northbrook General Hospital",
    address="1 Weir Lane, Northbrook",
    character_set="ISO_IR 100",
    id_prefix="NB",
    family_names=("Ashdown", "Birkett", "Cawthorne", "Dunmore", "Eastwick", "Fenwick", "Garside", "Hallam", "Ibbotson"),
    given_names=("Alan", "Barry", "Colin", "Derek", "Edwin", "Frank", "Geoffrey", "Howard"),
    physicians=("Whitlock^Susan", "Marsden^Peter"),
    study="Pelvis planning",
    planning_system=("Quarry Planning", "TPS 11"),
    machine="LINAC 2",
    prescription=(60.0, 20),
    scanner=Scanner(
        "Halden Imaging", "Orbit 16", "NBCT1", "4.2", "B30s", 120, (2.5, 2.5, 5.0), (160, 112), blur_mm=1.3, noise_hu=11,
    ),
    physique=Physique(fat_mm=(20, 5), bladder_ml=(170, 60)),
    habits=Habits(
        rois={
            "Bladder": ("Bladder", "BLADDER"),
            "Rectum": ("Rectum", "rectum"),
            "Femur_Head_L": ("Femoral Head Lt", "FemoralHead_L"),
            "Femur_Head_R": ("Femoral Head Rt", "FemoralHead_R"),
        },
        margin_mm={"Bladder": 0.0, "Rectum": 0.0},
        rectum_range_mm=(-42, 72),
        vesicles_in_prostate=True,
        femur_neck=False,
        helper_names={
            "body": "BODY", "ctv": "CTV", "ptv": "PTV_6000", "ring": "z_ring", "isocentre": "Isocentre",
            "dose": "Dose 5700[cGy]",
        },
    ),
)  # fmt: skip

SANTA_ELENA = Hospital(
    key="santa-elena",
    institution="Hospital Santa Elena",
    address="Calle del Río 8, Villanueva",
    character_set="ISO_IR 100",
    id_prefix="SE",
    family_names=("Núñez", "Peña", "Ibáñez", "Cordón", "Muñoz", "Olmedo", "Zurita", "Garcés", "Quiñones"),
    given_names=("Álvaro", "Andrés", "José", "Martín", "Ramón", "Tomás", "Joaquín", "Iñigo"),
    physicians=("Ordóñez^Lucía", "Figueroa^Andrés"),
    study="Planificación pelvis",
    planning_system=("Meseta Sistemas", "PlanRT 5"),
    machine="ACELERADOR1",
    prescription=(70.0, 28),
    scanner=Scanner(
        "Tarsis", "Volumen 4", "TAC2", "V2.01", "STANDARD", 140, (3.0, 3.0, 6.0), (132, 96), blur_mm=1.9, noise_hu=24,
        streaks_hu=22, hu_scale=1.0, hu_shift=32, bladder_contrast=True, signed_pixels=True,
    ),
    physique=Physique(fat_mm=(30, 6), bladder_ml=(250, 80), rectum_radius_mm=(16.5, 1.8)),
    habits=Habits(
        rois={
            "Bladder": ("Vejiga", "VEJIGA"),
            "Rectum": ("Recto", "RECTO"),
            "Prostate": ("Próstata", "Prostata"),
            "Femur_Head_L": ("Cabeza femoral izq", "Cabeza femoral izquierda"),
        },
        margin_mm={"Bladder": 1.0, "Rectum": 1.0, "Prostate": 1.0, "Femur_Head_L": 0.5},
        rectum_range_mm=(-32, 62),
        vesicles_in_prostate=True,
        femur_neck=True,
        helper_names={
            "body": "Contorno externo", "ptv": "PTV 70", "ring": "z_anillo", "isocentre": "Isocentro",
            "minus": "Vejiga-PTV",
        },
    ),
)  # fmt: skip

LINDENTAL = Hospital(
    key="lindental",
    institution="Klinikum Lindental",
    address="Mühlgasse 3, Lindental",
    character_set="ISO_IR 192",
    id_prefix="LT",
    family_names=("Grünwald", "Häberle", "Jäger", "Köster", "Löffler", "Möbius", "Oßwald", "Schürmann", "Weiß"),
    given_names=("Günter", "Jürgen", "Jörg", "Uwe", "Dieter", "Götz", "Matthias", "Sönke"),
    physicians=("Krüger^Anneliese", "Böhme^Dirk"),
    study="Bestrahlungsplanung Becken",
    planning_system=("Lotsystem", "Planer 7"),
    machine="BESCHL_A",
    prescription=(60.0, 20),
    scanner=Scanner(
        "Rheinwerk", "Spirale 64", "CTPLAN", "7.1.0", "H20f", 100, (2.7, 2.7, 4.0), (148, 104), blur_mm=2.6, noise_hu=8,
        cupping_hu=45, hu_scale=1.02, hu_shift=-22, patient_position="FFS",
    ),
    physique=Physique(fat_mm=(16, 4), bladder_ml=(110, 35), rectum_radius_mm=(13.5, 1.2)),
    habits=Habits(
        rois={
            "Rectum": ("Rektum", "REKTUM"),
            "Prostate": ("Prostata", "PROSTATA"),
            "Femur_Head_L": ("Hüftkopf li", "Hüftkopf links"),
            "Femur_Head_R": ("Hüftkopf re", "Hüftkopf rechts"),
        },
        margin_mm={"Rectum": -0.5, "Prostate": -0.5, "Femur_Head_L": -0.5, "Femur_Head_R": -0.5},
        rectum_range_mm=(-48, 80),
        vesicles_in_prostate=False,
        femur_neck=False,
        helper_names={
            "body": "Außenkontur", "ptv": "PTV 60 Gy", "ring": "z_Ring 2cm", "isocentre": "Isozentrum",
        },
    ),
)  # fmt: skip

HOSPITALS = (NORTHBROOK, SANTA_ELENA, LINDENTAL)
