"""Spellings that departments make of TG-263's names, written by rule: separators, case, side, order, words, slips of the hand.

The generator knows nothing of the rules that read the names. Half of the structures are for working with, the other half
(`held_out`) nobody looks at; which is which follows from the name alone.
"""

import random
import re
import zlib

from FedRTDatasetLib.naming.tg263 import Tg263Name, primary_names

SIDES = {
    "L": ("Left", "LEFT", "left", "Lt", "LT", "lt", "L", "(L)"),
    "R": ("Right", "RIGHT", "right", "Rt", "RT", "rt", "R", "(R)"),
}
SPELT_OUT = {
    "A": "Artery", "V": "Vein", "Glnd": "Gland", "Musc": "Muscle", "VB": "Vertebra", "Lobe": "Lobe",
    "Cavity": "Cavity", "Sinus": "Sinus", "Bone": "Bone", "Canal": "Canal", "Joint": "Joint", "Valve": "Valve",
    "Kidney": "Kidney",
    "Colon": "Colon",
    "Submand": "Submandibular", "Subling": "Sublingual", "OpticNrv": "Optic Nerve", "OpticChiasm": "Optic Chiasm",
    "BrachialPlex": "Brachial Plexus", "SpinalCord": "Spinal Cord",
    "SpinalCanal": "Spinal Canal",
    "SeminalVes": "Seminal Vesicles",
    "PenileBulb": "Penile Bulb", "CaudaEquina": "Cauda Equina", "GreatVes": "Great Vessels", "Hypothalmus": "Hypothalamus",
    "Decending": "Descending", "Sup": "Superior", "Int": "Internal", "Ext": "External", "Maxilry": "Maxillary",
    "TM": "Temporomandibular",
    "Constrict": "Constrictor", "I": "Inferior", "S": "Superior", "M": "Middle", "Asc": "Ascending", "Thyroid": "Thyroid",
    "Venacava": "Vena Cava", "Chestwall": "Chest Wall", "Brainstem": "Brain Stem", "Hardpalate": "Hard Palate", "VocalCord":
    "Vocal Cord", "PubicSymphys": "Pubic Symphysis", "Retrophar": "Retropharyngeal", "Prox": "Proximal", "Dist": "Distal",
    "Sclmast": "Sternocleidomastoid", "SacralPlex": "Sacral Plexus",
    "BileDuct": "Bile Duct", "ThecalSac": "Thecal Sac",
    "Cerv": "Cervical", "Lum": "Lumbar", "Thor": "Thoracic",
}  # fmt: skip


def variants(entry: Tg263Name) -> list[tuple[str, str, str]]:
    """(spelling, truth, kind of variant) of one TG-263 name. The truth is its name, or `helper`."""
    chance = random.Random(zlib.crc32(entry.name.encode()))
    truth = "helper" if entry.is_helper else entry.name
    own = [(entry.name, "primary name"), (entry.reverse, "reverse order")]
    own += [(change(text), "case") for text in (entry.name, entry.reverse) for change in (str.upper, str.lower)]
    for separator in chance.sample((" ", "-", ".", "__", " - "), 2):
        own.append((entry.name.replace("_", separator), "separator"))
    if not entry.is_helper:
        own += _of_parts(entry, chance)
    return [(text, truth, kind) for text, kind in own]


def _of_parts(entry: Tg263Name, chance: random.Random) -> list[tuple[str, str]]:
    sided = entry.side in SIDES and entry.name.endswith(f"_{entry.side}")
    base = entry.name[:-2] if sided else entry.name
    found = []
    if sided:
        for word in chance.sample(SIDES[entry.side], 3):
            apart = chance.choice((" ", "_"))
            text = base.replace("_", apart)
            found.append((f"{text}{apart}{word}", "side behind"))
            found.append((f"{word.strip('()')}{apart}{text}", "side before"))
        found.append((f"{SIDES[entry.side][0]}{base.replace('_', '')}", "side glued"))
    spelt = re.sub(r"\b[A-Za-z]+\b", lambda m: SPELT_OUT.get(m[0], m[0]), base.replace("_", " "))
    if base == "VB_L" or "Neck_VB" in base:  # the L of lumbar, and level VB of the neck
        spelt = base
    told = sided or (entry.kind == "anatomic" and not entry.side and f"{base}_L" not in primary_names())
    if told and spelt not in (base, base.replace("_", " ")) and not _generic(entry):
        side = f" {SIDES[entry.side][0]}" if sided else ""
        found.append((f"{spelt}{side}", "words spelt out"))
        words = spelt.split()
        found.append((f"{' '.join(words[1:] + words[:1])}{side}", "words in another order"))
    if chance.random() < 0.25:
        found.append(
            (
                chance.choice(("OAR_{}", "{}_AI", "{} (auto)", "{}_edited", "03_{}")).format(entry.name),
                "word of no meaning",
            )
        )
    letters = base.split("_")[-1]
    if chance.random() < 0.15 and len(letters) >= 8 and entry.kind == "anatomic":
        found.append((entry.name.replace(letters, _typo(letters, chance)), "misspelt"))
    return found


def _generic(entry: Tg263Name) -> bool:
    """`Artery` or `Bone` alone is no structure's name."""
    return (
        "_" not in entry.name
        and entry.name in SPELT_OUT
        and SPELT_OUT[entry.name] in ("Artery", "Vein", "Muscle", "Bone", "Vertebra")
    )


def _typo(word: str, chance: random.Random) -> str:
    """One slip inside the word: a letter doubled, left out, changed, or two swapped."""
    n = chance.randrange(2, len(word) - 2)
    kind = chance.choice(("doubled", "swapped", "left out", "changed"))
    if kind == "doubled":
        return word[:n] + word[n] + word[n:]
    if kind == "swapped":
        return word[:n] + word[n + 1] + word[n] + word[n + 2 :]
    return word[:n] + ("" if kind == "left out" else "x") + word[n + 1 :]


def is_held_out(name: str) -> bool:
    """Which half of TG-263 a name is in; both sides of a pair are in the same one."""
    return zlib.crc32(re.sub(r"_[LR]$", "", name).encode()) % 2 == 1


def all_variants(held_out: bool) -> list[tuple[str, str, str]]:
    """(spelling, truth, kind) of every structure of one half, without repeats."""
    found: dict[str, tuple[str, str, str]] = {}
    for name, entry in primary_names().items():
        if is_held_out(name) == held_out:
            for spelling, truth, kind in variants(entry):
                found.setdefault(spelling, (spelling, truth, kind))
    return list(found.values())
