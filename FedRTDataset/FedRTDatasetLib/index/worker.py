"""A process that reads headers: a JSON list of paths on each line of its input, a JSON list of records on its output.

Started by `index/pool.py` as `python -m FedRTDatasetLib.index.worker`, so that it works from any program on any system
(what `multiprocessing` starts would import the caller's main program again). It ends with its input.
"""

import json
import sys

from .record import read_record


def main() -> None:
    """Answer line by line until the input ends."""
    import warnings

    warnings.simplefilter("ignore")  # pydicom's remarks on odd values; what matters becomes a record
    for line in sys.stdin.buffer:
        records = [read_record(path) for path in json.loads(line)]
        sys.stdout.buffer.write(json.dumps(records).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
