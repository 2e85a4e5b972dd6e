"""Other ways from a ROI name to TG-263, run in an environment of their own: JSON in, JSON out, no FedRT.

Input: {"names": [...], "primary": [...], "words": {spelling: TG-263 name}}. Output: {peer: [[answer or null, ...], seconds]}.
"""

import difflib
import json
import re
import sys
import time
from importlib.metadata import version

CUTOFF = 90
"""Similarity (of 100) below which a fuzzy match counts as no answer; a department would ask a person there."""


def main() -> None:
    given = json.load(sys.stdin)
    primary, words, names = given["primary"], given["words"], given["names"]
    peers = {
        "difflib, TG-263 list": by_difflib(primary),
        f"rapidfuzz {version('rapidfuzz')}, TG-263 list": by_rapidfuzz({name: name for name in primary}),
        f"rapidfuzz {version('rapidfuzz')}, FedRT's words": by_rapidfuzz(words),
        f"tg263 {version('tg263')}": by_tg263(),
        f"med-imagetools {version('med-imagetools')} ROIMatcher": by_imagetools(primary),
    }
    answers = {}
    for peer, answer in peers.items():
        start = time.perf_counter()
        answers[peer] = [[answer(name) for name in names], time.perf_counter() - start]
    json.dump(answers, sys.stdout)


def by_difflib(primary):
    folded = {name.casefold(): name for name in primary}

    def answer(name):
        close = difflib.get_close_matches(name.strip().casefold(), folded, n=1, cutoff=CUTOFF / 100)
        return folded[close[0]] if close else None

    return answer


def by_rapidfuzz(meanings):
    from rapidfuzz import fuzz, process, utils

    spellings = {utils.default_process(spelling): name for spelling, name in meanings.items()}
    choices = list(spellings)

    def answer(name):
        # Words in any order count the same, which suits both orders of TG-263.
        found = process.extractOne(
            utils.default_process(name), choices, scorer=fuzz.token_sort_ratio, score_cutoff=CUTOFF
        )
        return spellings[found[0]] if found else None

    return answer


def by_tg263():
    import tg263

    def answer(name):
        return name if tg263.is_structure_name_allowed(name) else None

    return answer


def by_imagetools(primary):
    """As its documentation has it: regular expressions a structure, here TG-263's names with any separator."""
    from imgtools.coretypes.masktypes.roi_matching import ROIMatcher, ROIMatchStrategy

    patterns = {name: [re.sub(r"[_\-]", r"[\\s_\\-.]*", re.escape(name).replace("\\-", "-")) + "$"] for name in primary}
    matcher = ROIMatcher(match_map=patterns, handling_strategy=ROIMatchStrategy.MERGE, allow_multi_key_matches=False)

    def answer(name):
        found = matcher.match_rois([name])
        return found[0][0] if found else None

    return answer


if __name__ == "__main__":
    main()
