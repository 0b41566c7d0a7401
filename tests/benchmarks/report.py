"""What a benchmark was given and what it hands back, and how that becomes a file.

``run.py`` calls each benchmark with ``Options`` and passes its ``Outcome`` to ``written``.  The file says
when, on what machine, under what load and with what packages it was measured; a number alone says
nothing.
"""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "xunyi", "numpy", "faiss-cpu", "tantivy", "onnxruntime", "sentencepiece", "SQLAlchemy", "torch",
    "sentence-transformers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; folders of data are never built in."""

    work: Path
    """Where generated homes and files are kept from one run to the next."""
    models: Path
    data: Sequence[Path]
    """Judged collections (corpus.jsonl, queries.jsonl, qrels.tsv)."""
    everything: bool
    """Measure all texts where a sample is the default."""
    words: Path | None = None
    """Folder of word pairs with people's scores, and of analogies."""


@dataclass(frozen=True, slots=True)
class Target:
    """A promise about one number: it is at most, or at least, ``bound``."""

    what: str
    value: float
    bound: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether the promise is kept; a value that is no number keeps none."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        relation = "at most" if self.at_most else "at least"
        return f"{'met   ' if self.met else 'MISSED'} {self.what}: {self.value:g} ({relation} {self.bound:g})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one benchmark found."""

    settings: Mapping[str, Any]
    measured: Mapping[str, Any]
    targets: Sequence[Target] = field(default_factory=tuple)


def written(name: str, command: str, outcome: Outcome, load_before: float, folder: Path = RESULTS) -> Path:
    """Write the result of benchmark ``name`` as JSON and return its path; the last one is replaced."""
    report = {
        "benchmark": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": command,
        "machine": machine() | {"load_before": load_before, "load_after": round(os.getloadavg()[0], 2)},
        "packages": {package: version(package) for package in PACKAGES},
        "settings": outcome.settings,
        "targets": [asdict(target) | {"met": target.met} for target in outcome.targets],
        "measured": outcome.measured,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(_rounded(report), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return {
        "cpu": found.group(1) if found else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _rounded(value: Any) -> Any:
    """Return ``value`` as JSON takes it, floats with the digits that a measurement has."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
