"""The federation's command as the Slicer module types it: what was chosen in a form -> arguments after `fedrt`."""

from pathlib import Path

from FedRTDatasetLib.arguments import chosen


def join(kit: str, dataset: str) -> list[str | Path]:
    """`federation join` of a site."""
    return ["federation", "join", chosen(kit, "the startup kit"), "--dataset", chosen(dataset, "the dataset folder")]
