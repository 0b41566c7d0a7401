"""Times of many calls: by the wall clock, which users feel, and of the processor, busy machine or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each call."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Of all threads of this process."""

    def of(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, and note how long it took."""
        wall, processor = perf_counter(), process_time()
        result = call()
        self.processor.append(process_time() - processor)
        self.wall.append(perf_counter() - wall)
        return result

    @property
    def p50_ms(self) -> float:
        """Median by the wall clock."""
        return float(np.median(self.wall)) * 1000

    def told(self) -> Mapping[str, float]:
        """Return the summary in milliseconds."""
        return {
            "p50_ms": self.p50_ms,
            "p95_ms": float(np.percentile(self.wall, 95)) * 1000,
            "processor_p50_ms": float(np.median(self.processor)) * 1000,
        }
