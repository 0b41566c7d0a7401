"""``make bench``: runs the benchmarks and writes what they found under ``results/``.

Each runs in a process of its own, so that what one loads (torch, say) weighs on no other.  The exit status
is 1 when a target was missed.

    python -m tests.benchmarks.run                          all of them
    python -m tests.benchmarks.run --only filters
    python -m tests.benchmarks.run --only quality --data DIR DIR
    python -m tests.benchmarks.run --only word_similarity --words DIR
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.benchmarks.report import Options, Outcome, written

ROOT = Path(__file__).parents[2]
BENCHMARKS = (
    "chunking",
    "filters",
    "search_speed",
    "attention_speed",
    "switching",
    "map_speed",
    "serving_memory",
    "ingest_memory",
    "encoding",
    "quality",
    "word_similarity",
)
"""Modules of this folder; each has one function ``run(options)`` that returns an ``Outcome``."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that were asked for."""
    given = _parser().parse_args(arguments)
    if len(given.only) == 1:
        return _measured(given.only[0], given)
    return max([_in_a_process(name, given) for name in given.only or BENCHMARKS])


def _parser() -> argparse.ArgumentParser:
    usual_models = os.environ.get("XUNYI_TEST_MODELS") or ROOT / ".venv" / "xunyi-test-models"
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=[], help="benchmarks to run")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "xunyi-bench")
    parser.add_argument("--models", type=Path, default=Path(usual_models), help="prepared encoders")
    parser.add_argument("--data", type=Path, nargs="+", default=[ROOT / "indexer" / "demo"], metavar="DIR")
    parser.add_argument("--all", action="store_true", help="all texts where a sample is the default")
    parser.add_argument("--words", type=Path, metavar="DIR", help="word pairs with scores, and analogies")
    return parser


def _in_a_process(name: str, given: argparse.Namespace) -> int:
    places = ["--work", given.work, "--models", given.models, "--data", *given.data]
    places += ["--words", given.words] if given.words else []
    command = [sys.executable, "-m", "tests.benchmarks.run", "--only", name, *map(str, places)]
    return subprocess.run([*command, *(["--all"] if given.all else [])]).returncode


def _measured(name: str, given: argparse.Namespace) -> int:
    given.work.mkdir(parents=True, exist_ok=True)
    options = Options(given.work.resolve(), given.models.resolve(), given.data, given.all, given.words)
    load = round(os.getloadavg()[0], 2)
    print(f"{name} (load {load})", flush=True)
    outcome: Outcome = import_module(f"tests.benchmarks.{name}").run(options)
    path = written(name, _command(name, given), outcome, load)
    for target in outcome.targets:
        print(f"  {target}")
    print(f"  {path.relative_to(ROOT)}", flush=True)
    return int(not all(target.met for target in outcome.targets))


def _command(name: str, given: argparse.Namespace) -> str:
    """Return the command line to repeat it, without the places of this machine."""
    data = ["--data", *(folder.name for folder in given.data)]
    words = ["--words", given.words.name] if given.words else []
    rest = ["--all"] if given.all else []
    return " ".join(["python -m tests.benchmarks.run --only", name, *data, *words, *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
