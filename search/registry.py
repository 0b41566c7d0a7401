"""Names to factories.  The table is data, so adding a part is one line and one file."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Generic, TypeVar

from search.errors import UnknownName

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return those of ``known`` that ``name`` may be a slip for, the likeliest first; case does not count."""
    folded = {other.casefold(): other for other in known}
    return [folded[found] for found in get_close_matches(name.casefold(), folded)]


def slip(name: str, known: Iterable[str]) -> str:
    """Return what ``name`` may be a slip for, in brackets behind a space; nothing where it is like none."""
    near = nearest(name, known)
    return f" (did you mean {near[0]!r}?)" if near else ""


class Registry(Generic[T]):
    """Build a part of one ``kind`` by name, importing its module on first use.

    Targets are ``"package.module:Name"`` strings: a service that never reads a PDF never pays
    for importing a PDF library, and a reader sees every choice in one place.
    """

    def __init__(self, kind: str, targets: Mapping[str, str]) -> None:
        self.kind = kind
        self.targets = dict(targets)

    def create(self, name: str, **options: Any) -> T:
        """Return a new part; raise ``UnknownName`` (with the known names) for a bad ``name``."""
        try:
            module, _, attribute = self.targets[name].partition(":")
        except KeyError:
            known = sorted(self.targets)
            message = f"no {self.kind} is called {name!r}; choose one of: {', '.join(known)}"
            raise UnknownName(message, known=known) from None
        part: T = getattr(import_module(module), attribute)(**options)
        return part
