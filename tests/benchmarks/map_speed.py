"""The map of 100,000 passages by principal components: what it takes to draw it, and to show it again."""

import json
import resource
from collections.abc import Callable
from pathlib import Path

from indexer.answers import answer
from indexer.map_records import MapRequest
from indexer.service import Service
from tests.benchmarks import home_100k
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times

ROUNDS = 5
DRAWN_MS_MAX = 10_000.0
"""Of a processor; a request waits for it once."""


def run(options: Options) -> Outcome:
    """Measure the first request for a map and those after it, plain and coloured by a field."""
    service = home_100k.opened(options)
    for folder in service.settings.caches_folder.glob("map-*"):
        forget(folder)
    service.ready()
    before = own_memory_mb()
    first = times(1, lambda: shown(service))
    grown = peak_memory_mb() - before
    again = times(ROUNDS, lambda: shown(service))
    coloured = times(ROUNDS, lambda: shown(service, colour="subject"))
    bytes_sent = len(json.dumps(answer(shown(service))))
    service.close()
    drawn_ms = first.told()["processor_p50_ms"]
    return Outcome(
        settings={"passages": home_100k.PASSAGES, "method": "pca", "rounds": ROUNDS},
        measured={
            "drawn": first.told() | {"memory_mb": grown},
            "shown": again.told(),
            "coloured_by_a_field": coloured.told(),
            "answer_mb": bytes_sent / 1e6,
        },
        targets=[Target("a map of 100,000 passages: processor ms", drawn_ms, DRAWN_MS_MAX)],
    )


def shown(service: Service, **asked: str) -> object:
    return service.maps.show(home_100k.COLLECTION, MapRequest(**asked))


def times(rounds: int, call: Callable[[], object]) -> Times:
    measured = Times()
    for _ in range(rounds):
        measured.of(call)
    return measured


def forget(folder: Path) -> None:
    """Delete a cached map."""
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def own_memory_mb() -> float:
    """Memory of this process now, mapped files included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak_memory_mb() -> float:
    """The most it ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
