"""The table of ``evaluate`` over judged collections, with p-values, and what attention promises of it."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import xunyi
from tests.benchmarks.report import Options, Outcome, Target

SYSTEMS = ("lexical", "dense", "hybrid", "attention", "dense:raw")
MEASURE = "nDCG@10"
HYBRID_LOSS_MAX = 0.01
ATTENTION_LOSS_MAX = 0.005
CENTRING_GAIN_MIN = 0.04
COLLECTIONS_FOR_GAIN = 6
"""The gain of centring is promised over the mean of this many collections, of one language and of two."""


def run(options: Options) -> Outcome:
    """Evaluate every collection in a home of its own."""
    tables = {folder.name: _evaluated(options, folder) for folder in options.data}
    told = {name: table["systems"] for name, table in tables.items()}
    return Outcome(
        settings={"systems": SYSTEMS},
        measured={"collections": tables, "means": _means(told)},
        targets=list(_targets(told)),
    )


def _evaluated(options: Options, folder: Path) -> Mapping[str, Any]:
    home = options.work / "quality-home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / "models").symlink_to(options.models)
    command = xunyi("evaluate", str(folder), "--systems", ",".join(SYSTEMS), "--home", str(home), "--json")
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    shutil.rmtree(home)
    table: Mapping[str, Any] = json.loads(output)
    return table


def _means(told: Mapping[str, Any]) -> dict[str, float]:
    return {system: sum(row[system][MEASURE] for row in told.values()) / len(told) for system in SYSTEMS}


def _targets(told: Mapping[str, Any]) -> Iterator[Target]:
    for name, row in told.items():
        better = max(row[system][MEASURE] for system in ("lexical", "dense"))
        lost = better - row["hybrid"][MEASURE]
        yield Target(f"{name}: {MEASURE} of hybrid below its better part", lost, HYBRID_LOSS_MAX)
        best = max(row[system][MEASURE] for system in ("dense", "hybrid", "dense:raw"))
        lost = best - row["attention"][MEASURE]
        yield Target(f"{name}: {MEASURE} of attention below the best other", lost, ATTENTION_LOSS_MAX)
    if len(told) >= COLLECTIONS_FOR_GAIN:
        means = _means(told)
        gain = means["dense"] - means["dense:raw"]
        yield Target(f"mean {MEASURE} of dense above raw dense", gain, CENTRING_GAIN_MIN, at_most=False)
