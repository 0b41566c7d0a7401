"""Which documents of a run took the place of what had been read from other files.

Two files whose records count from 1 each, and two folders of one name, give their documents the same keys.
``Ingest`` tells of every batch, and its summary has the sentence.
"""

from collections.abc import Sequence
from pathlib import Path

from indexer.pipeline import Incoming
from indexer.records import Stored, StoredOver


class Replaced:
    """Counts them, and remembers the other files."""

    def __init__(self) -> None:
        self.documents = 0
        self._files: dict[str, str] = {}
        """Origin of each other file, and what the sentence calls it."""

    def note(self, batch: Sequence[Incoming], stored: Sequence[Stored]) -> None:
        """Look through what became of a batch."""
        for incoming, row in zip(batch, stored, strict=True):
            if isinstance(row, StoredOver) and _is_another(row, incoming):
                self.documents += 1
                same_name = row.old_source == incoming.source
                self._files[row.old_origin] = f"another {row.old_source}" if same_name else row.old_source

    def told(self) -> list[str]:
        """Return the sentence for the summary, if there is one to say."""
        if not self.documents:
            return []
        count = f"{self.documents} documents" if self.documents > 1 else "1 document"
        first, others = next(iter(self._files.values())), len(self._files) - 1
        more = f" and {others} other file{'s' * (others > 1)}" if others else ""
        return [
            f"replaced {count} that came from {first}{more}, by the same keys; to keep both, "
            "ingest into another collection (-c) or choose another --key-field"
        ]


def _is_another(row: StoredOver, incoming: Incoming) -> bool:
    """Return whether the replaced document came from another file, not from this one by another path."""
    try:
        return not Path(row.old_origin).samefile(str(incoming.origin))
    except OSError:  # one of them is gone; under the same name it was moved here, with its folder
        return row.old_source != incoming.source
