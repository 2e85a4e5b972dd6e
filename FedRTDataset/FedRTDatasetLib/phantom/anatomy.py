"""An invented male pelvis: where its organs, bones, muscles and fat lie, and what makes one patient differ from the next.

Frame: LPS mm, x to the patient's left, y posterior, z superior, the origin in the middle of the prostate. The proportions are
those of textbook anatomy, simplified; no patient's images went into them.
"""

from dataclasses import dataclass, field

import numpy as np

from .shapes import (
    Between,
    Capsule,
    Ellipsoid,
    Grown,
    HalfSpace,
    Shape,
    Tube,
    Union,
    Warp,
    Without,
    mirrored,
)  # fmt: skip

ORGANS = ("Bladder", "Rectum", "Prostate", "Femur_Head_L", "Femur_Head_R")
"""TG-263 names of the organs that hospitals contour."""

LOW_Z, HIGH_Z = -110.0, 135.0
"""The scanned range, mm."""


@dataclass(frozen=True)
class Physique:
    """What a hospital's population looks like: mean and spread of subcutaneous fat, and of bladder and rectum filling."""

    fat_mm: tuple[float, float] = (22.0, 6.0)
    bladder_ml: tuple[float, float] = (180.0, 70.0)
    rectum_radius_mm: tuple[float, float] = (14.5, 1.5)


@dataclass
class Anatomy:
    """One patient. Shapes are in the undeformed frame; `warp` deforms all of them together, so that neighbours stay so."""

    warp: Warp
    organs: dict[str, Shape]
    seminal_vesicles: Shape
    femur_necks: dict[str, Shape]
    body: Shape
    fat_mm: float
    inner: Shape
    cavity: Shape
    muscles: list[Shape]
    fat: list[Shape]
    vessels: list[Shape]
    bones: list[Shape]
    bladder_lumen: Shape
    rectum: Tube
    rectum_lumen: Shape
    bowel: list[tuple[Shape, bool]] = field(default_factory=list)
    """Loops of bowel, each with whether it holds gas."""


def draw_anatomy(rng: np.random.Generator, physique: Physique) -> Anatomy:
    """A random patient of that population."""
    size = rng.normal(1.0, 0.04)
    fat_mm = float(np.clip(rng.normal(*physique.fat_mm), 8, 45))
    prostate, vesicles, base = _prostate(rng, size)
    bladder = _bladder(rng, physique, base)
    rectum = _rectum(rng, physique)
    bones, heads, necks = _bones(rng, size)
    inner = _trunk(0.0, size)
    organ_prostate = Without(prostate, bladder)
    return Anatomy(
        warp=Warp(rng, 3.0),
        organs={
            "Bladder": bladder,
            "Rectum": Without(rectum, prostate),
            "Prostate": organ_prostate,
            "Femur_Head_L": heads[0],
            "Femur_Head_R": heads[1],
        },
        seminal_vesicles=Without(vesicles, Union((bladder, rectum))),
        femur_necks={"Femur_Head_L": necks[0], "Femur_Head_R": necks[1]},
        body=_trunk(fat_mm, size),
        fat_mm=fat_mm,
        inner=inner,
        cavity=_cavity(rng, size),
        muscles=_muscles(rng, size),
        fat=_fat(rng, size),
        vessels=_vessels(rng, size),
        bones=bones,
        bladder_lumen=Grown(bladder, -float(rng.uniform(2.5, 4.0))),
        rectum=rectum,
        rectum_lumen=Grown(rectum, -3.8),
        bowel=_bowel(rng),
    )


def _trunk(fat_mm: float, size: float) -> Shape:
    """Skin (or with fat_mm = 0 the muscles' outline): a trunk that parts into two thighs below the perineum."""
    a, b = 152 * size + fat_mm, 88 * size + 0.8 * fat_mm
    trunk = Ellipsoid((0, 6 + 0.15 * fat_mm, 60), (a, b, 400), power=2.5)
    thigh = Capsule((88 * size, 4, -40), (82 * size, 0, -260), 70 * size + 0.8 * fat_mm, 60 * size + 0.7 * fat_mm)
    return Union((Between(trunk, -66 - 0.3 * fat_mm, 400, blend=60), thigh, mirrored(thigh)), blend=24)


def _prostate(rng: np.random.Generator, size: float) -> tuple[Shape, Shape, float]:
    """The gland, the seminal vesicles, and the height of the gland's base."""
    grow = size * float(rng.lognormal(0.06, 0.09))
    half = (23.5 * grow * rng.normal(1, 0.05), 16 * grow * rng.normal(1, 0.05), 18.5 * grow * rng.normal(1, 0.06))
    gland = Ellipsoid((0, 0, 0), half, (float(rng.normal(0.15, 0.08)), 0, 0), power=2.5)
    apex = Ellipsoid((0, 2, -0.7 * half[2]), (0.55 * half[0], 0.65 * half[1], 0.6 * half[2]))
    length, tilt = float(rng.uniform(14, 19)), float(rng.uniform(-0.35, -0.1))
    left = Ellipsoid((0.55 * half[0], 0.75 * half[1] + 2, half[2] + 3), (length, 5.5, 8.5), (0.5, tilt, 0.2))
    return Union((gland, apex), blend=6), Union((left, mirrored(left)), blend=5), half[2]


def _bladder(rng: np.random.Generator, physique: Physique, base: float) -> Shape:
    volume = float(np.clip(rng.normal(*physique.bladder_ml), 70, 420)) * 1000
    shape = np.array([1.15, 0.9, 1.0]) * rng.lognormal(0, 0.06, 3)
    half = shape * (volume / (4 / 3 * np.pi * shape.prod())) ** (1 / 3)
    centre = (float(rng.normal(0, 3)), -12 - 0.25 * (half[1] - 30) + float(rng.normal(0, 2)), base - 6 + float(half[2]))
    dome = Ellipsoid(centre, tuple(half), (float(rng.normal(-0.15, 0.08)), float(rng.normal(0, 0.08)), 0), power=2.5)
    neck = Ellipsoid((0, -4, base), (13, 10, 8))
    return Union((dome, neck), blend=10)


def _rectum(rng: np.random.Generator, physique: Physique) -> Tube:
    """Anal canal to sigmoid, along the hollow of the sacrum, wider where gas or faeces stretch it."""
    path = np.array([
        (-64, 0, 27), (-45, 0, 29), (-25, 0, 31.5), (-5, 0, 33.5), (18, 1, 38), (45, 2, 45), (70, 6, 47), (92, 14, 37),
        (108, 26, 20),
    ], float)  # fmt: skip
    path[:, 1] += np.cumsum(rng.normal(0, 1.2, len(path)))
    radius = np.full(len(path), float(rng.normal(*physique.rectum_radius_mm)))
    radius += rng.normal(0, 0.8, len(path))
    bulge_at, bulge = rng.uniform(0, 70), rng.uniform(1, 7)
    radius += bulge * np.exp(-(((path[:, 0] - bulge_at) / 24) ** 2))
    radius[:2] = (10.5, 11.5)
    path[2:, 2] += 0.6 * (radius[2:] - 14.5)  # the front wall stays at the prostate; filling pushes backwards
    return Tube(tuple(map(tuple, np.column_stack([path, radius]).tolist())), stretch=float(rng.uniform(1.0, 1.2)))


def _bones(rng: np.random.Generator, size: float) -> tuple[list[Shape], list[Shape], list[Shape]]:
    """All bones; the femoral heads (left, right); their necks with the trochanter's root (left, right)."""
    x, y, z = 88 * size, -2 + float(rng.normal(0, 2)), 20 + float(rng.normal(0, 3))
    radius = 24 * size * float(rng.normal(1, 0.03))
    head = Ellipsoid((x, y, z), (radius,) * 3)
    trochanter = (x + 38, y + 12, z - 26)
    neck = Capsule((x + 8, y + 2, z - 6), trochanter, 0.66 * radius, 0.6 * radius)
    femur = Union((
        head, neck, Ellipsoid((x + 40, y + 13, z - 22), (13, 17, 20)),
        Capsule((x + 36, y + 10, z - 38), (x + 22, y + 5, z - 260), 17, 14),
    ), blend=8)  # fmt: skip
    socket = Without(Ellipsoid((x, y, z), (radius + 11,) * 3), Ellipsoid((x, y, z), (radius + 3.5,) * 3))
    socket = Without(socket, HalfSpace((x + 4, y, z + 2), (-0.8, 0.1, 0.6)))
    wing = Ellipsoid((x + 17, y + 6, z + 84), (8.5, 52, 66), (-0.25, 0.28, 0.35), power=2.5)
    column = Capsule((x + 2, y + 14, z + 28), (x - 8, 50, z + 62), 13, 13)
    side = [
        femur, socket, wing, column,
        Capsule((x - 24, -36, 18), (13, -53, 0), 8, 9.5), Ellipsoid((12, -51, -9), (10, 10, 17), (0.3, 0, 0)),
        Capsule((15, -47, -22), (50, 22, -44), 6.5, 8.5), Capsule((x - 20, 24, 10), (55, 33, -42), 13, 14),
    ]  # fmt: skip
    sacrum = [
        Ellipsoid((0, 82, 84), (32, 13, 28), (-0.15, 0, 0)), Ellipsoid((0, 68, 116), (50, 20, 30), (-0.5, 0, 0)),
        Capsule((0, 81, 62), (0, 67, 34), 10, 6),
    ]  # fmt: skip
    joined = Union(tuple(sacrum), blend=10)
    bones = [mirrored(part) for part in side] + side + [joined]
    # What a contour of "head and neck" adds: the neck's inner part, down to where the trochanters begin.
    inner_neck = Capsule((x + 6, y + 2, z - 5), (x + 27, y + 8, z - 18), 0.72 * radius, 0.66 * radius)
    return bones, [head, mirrored(head)], [inner_neck, mirrored(inner_neck)]


def _cavity(rng: np.random.Generator, size: float) -> Shape:
    """The pelvic and lower abdominal cavity, full of fat round the organs."""
    pelvis = Ellipsoid((0, 14, 30), (57 * size, 58, 66), power=2.5)
    abdomen = Ellipsoid((0, -12, 150), (104 * size, 66, 92), power=2.5)
    fossa = Ellipsoid((27, 46, -34), (19, 22, 30))
    front = Ellipsoid((0, -26, 14), (34, 14, 30))
    return Union((pelvis, abdomen, fossa, mirrored(fossa), front), blend=16)


def _muscles(rng: np.random.Generator, size: float) -> list[Shape]:
    """Muscles that reach into the cavity, next to the organs and as dense as they are."""
    thick = float(rng.uniform(8, 11))
    side = [
        Ellipsoid((50 * size, 2, 6), (thick, 34, 34), (0, 0.1, -0.1)),  # obturator internus
        Ellipsoid((29, 10, -16), (5.5, 30, 21), (0, 0.45, 0.12)),  # levator ani
        Tube(((70, 62, -42, 17), (95, 58, -22, 19), (150, 46, 12, 22)), 1.15),  # iliopsoas
        Ellipsoid((44, 62, 52), (30, 9, 16), (0, 0, -0.4)),  # piriformis
    ]
    sling = Ellipsoid((0, 42, -30), (20, 7, 16))
    return [sling, *side, *[mirrored(part) for part in side]]


def _fat(rng: np.random.Generator, size: float) -> list[Shape]:
    """Fat between muscles: femoral triangle, the planes under gluteus maximus and beside tensor and sartorius."""
    side = [
        Ellipsoid((60, -72, 0), (20, 13, 60), (0.1, 0, 0.3)),
        Ellipsoid((80, 52, -5), (44, 3.2, 46), (0.1, 0, 0.25)),
        Ellipsoid((112, -42, 0), (3.0, 30, 60), (0, 0, 0.7)),
        Ellipsoid((52, 8, -84), (3.0, 34, 42), (0, 0, 0.6)),
        Ellipsoid((98, 20, -88), (30, 2.6, 40), (0, 0, -0.3)),
    ]
    return [*side, *[mirrored(part) for part in side]]


def _vessels(rng: np.random.Generator, size: float) -> list[Shape]:
    side = [
        Tube(((-110, 66, -56, 4.5), (-40, 58, -66, 5), (10, 54, -66, 5.5), (60, 56, -46, 6), (135, 36, -4, 7))),
        Tube(((-110, 56, -52, 5), (-40, 46, -62, 6), (10, 42, -60, 6.5), (60, 48, -36, 7), (135, 30, 12, 8))),
    ]
    return [*side, *[mirrored(part) for part in side]]


def _bowel(rng: np.random.Generator) -> list[tuple[Shape, bool]]:
    loops = []
    for _ in range(int(rng.integers(9, 14))):
        centre = (float(rng.uniform(-72, 72)), float(rng.uniform(-52, 10)), float(rng.uniform(92, 150)))
        half = tuple(float(v) for v in rng.uniform(11, 24, 3))
        loops.append((Ellipsoid(centre, half, tuple(rng.uniform(-1, 1, 3))), bool(rng.random() < 0.3)))
    return loops
