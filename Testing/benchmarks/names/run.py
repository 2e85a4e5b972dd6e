"""FedRT's names against other ways to TG-263, on the same lists, in the same run.

    python Testing/benchmarks/names/run.py --peers /path/to/venv/bin/python

The environment of the peers: `python -m venv V && V/bin/pip install rapidfuzz tg263 med-imagetools`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from FedRTDatasetLib.naming.structures import table_rows
from FedRTDatasetLib.naming.tg263 import primary_names
from FedRTDatasetLib.naming.vocabulary import LANGUAGES, more_synonyms
from name_lists import lists
from name_score import answer, score

SIDE_WORDS = {
    "en": ("left lt L", "right rt R"), "es": ("izquierda izq", "derecha der dcha"), "de": ("links li", "rechts re"),
    "fr": ("gauche G", "droite D"), "it": ("sinistra sx", "destra dx"), "nl": ("links li", "rechts re"),
    "pl": ("lewa L", "prawa P"), "el": ("αριστερός αρ", "δεξιός δε"),
}  # fmt: skip


LISTS = ("real structure sets", "held out", "variants of TG-263, held out")
"""What the rules were not made on; every tenth variant, because two of the peers need a minute for a thousand names."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="Python of the environment with the peers")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    args = parser.parse_args()
    named = {title: rows[:: 10 if "variants" in title else 1] for title, rows in lists().items() if title in LISTS}
    names = [roi for rows in named.values() for roi, _, _ in rows]
    given = {"names": names, "primary": list(primary_names()), "words": all_words()}
    answers = json.loads(subprocess.run([args.peers, Path(__file__).with_name("peers.py")], input=json.dumps(given),
                                        capture_output=True, text=True, check=True).stdout)  # fmt: skip
    answer("Bladder")  # the tables are read once
    start = time.perf_counter()
    ours = [answer(name) for name in names]
    rows = {"FedRT": figures(named, ours, time.perf_counter() - start)}
    for peer, (found, seconds) in answers.items():
        rows[peer] = figures(
            named, [(name, name, name is None) for name in found], seconds
        )  # no name: a helper, for all it says
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {len(names)} names")
    print(f"fuzzy matches to FedRT's words: {len(given['words'])} spellings\n")
    show(rows, list(named))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def all_words() -> dict[str, str]:
    """Every spelling of FedRT's tables with every side word of its language -> TG-263 name: the words without the rules."""
    words = {entry.reverse: name for name, entry in primary_names().items()} | {name: name for name in primary_names()}
    for row in table_rows():
        side = row["laterality"].partition("|")[2]
        for language in LANGUAGES:
            for synonym in filter(None, row[f"synonyms_{language}"].split(";")):
                add(words, synonym, row["name"], language, {"Left": "L", "Right": "R"}.get(side))
    for row in more_synonyms():
        for side in "LR" if "?" in row["name"] else [None]:
            for language in LANGUAGES:
                for synonym in filter(None, (row[language] or "").split(";")):
                    add(words, synonym.lstrip("="), row["name"].replace("?", side or ""), language, side)
    return words


def add(words: dict[str, str], synonym: str, name: str, language: str, side: str | None) -> None:
    if side is None:
        words.setdefault(synonym, name)
        return
    for word in SIDE_WORDS[language][side == "R"].split():
        words.setdefault(f"{synonym} {word}", name)


def figures(named: dict, answers: list, seconds: float) -> dict:
    """Per list and over all: right, abstained, wrong, wrong side; and names a second."""
    result, taken = {}, iter(answers)
    everything = []
    for title, rows in named.items():
        given = {roi: next(taken) for roi, _, _ in rows}
        result[title] = counts(score(rows, given.__getitem__))
        everything += [(rows, given)]
    total = [sum(result[title][n] for title in named) for n in range(5)]
    return {**result, "all": total, "names per second": round(len(answers) / seconds)}


def counts(scored) -> list[int]:
    sides = sum(1 for _, _, used in scored.sides)
    return [scored.total, scored.right, len(scored.abstained), len(scored.wrong), sides]


def show(rows: dict, titles: list[str]) -> None:
    print("right, of what there is (wrong answers / wrong sides)\n")
    print("| | " + " | ".join([*titles, "all", "names a second"]) + " |")
    print("|---" * (len(titles) + 3) + "|")
    for who, row in rows.items():
        cells = []
        for title in [*titles, "all"]:
            total, right, _, wrong, sides = row[title]
            cells.append(f"{100 * right / total:.1f}% ({wrong} / {sides})")
        print(f"| {who} | " + " | ".join(cells) + f" | {row['names per second']:,} |")


if __name__ == "__main__":
    main()
