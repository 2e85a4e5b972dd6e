"""All checks of a dataset."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import FedRTError
from ..finding import Finding
from ..reporting import Reporter
from ..storage.dataset import (
    Dataset,
    DatasetRecord,
    read_case,
    read_record,
)
from .case_checks import check_case
from .cohort_checks import check_cohort

SEVERITIES = ("error", "warning", "note")


@dataclass
class Quality:
    """findings: by case id in the order of the dataset's cases, `""` for what concerns the dataset itself."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        found = Counter(finding.severity for findings in self.findings.values() for finding in findings)
        return {severity: found[severity] for severity in SEVERITIES}

    def as_dict(self) -> dict:
        """For JSON: counts, and every finding with its case."""
        return {
            "counts": self.counts(),
            "findings": [
                {"case": case_id, **finding.as_dict()} for case_id, found in self.findings.items() for finding in found
            ],
        }


def check_dataset(path: Path | str, report: Reporter | None = None) -> tuple[Dataset, Quality]:
    """Check every case and the cohort.

    A case that cannot be read is a finding and is absent from the returned dataset; the others are still checked.

    Raises:
        FedRTError: the folder is no dataset.
    """
    report = report or Reporter()
    dataset, unreadable = _open(Path(path))
    quality = Quality({"": []} | {case_id: [] for case_id in sorted({c.id for c in dataset.cases} | unreadable.keys())})
    for case_id, finding in unreadable.items():
        quality.findings[case_id].append(finding)
    if dataset.record.state != "complete":
        text = "its build was not finished: run the same `fedrt dataset build` again, it goes on."
        quality.findings[""].append(Finding("unfinished", text, "", "error"))
    for done, case in enumerate(dataset.cases):
        report.progress("check", done, len(dataset.cases))
        quality.findings[case.id] += check_case(case, dataset.processing)
    report.progress("check", len(dataset.cases), len(dataset.cases))
    for case_id, finding in check_cohort(list(dataset.cases)):
        quality.findings[case_id].append(finding)
    for found in quality.findings.values():
        found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return dataset, quality


def _open(path: Path) -> tuple[Dataset, dict[str, Finding]]:
    """What can be opened of a dataset, and why a case could not."""
    record = read_record(path / "dataset.json", DatasetRecord)
    cases, unreadable = [], {}
    for case_id in record.cases:
        try:
            cases.append(read_case(path / "cases" / case_id))
        except FedRTError:
            text = "its case.json or a file that this lists is missing or damaged: build again."
            unreadable[case_id] = Finding("unreadable", text, "", "error")
    return Dataset(path, record, cases), unreadable
