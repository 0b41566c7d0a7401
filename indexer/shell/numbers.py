"""Whole numbers in a range, with one sentence for what is none; apart, as ``serve`` loads next to nothing."""

from typing import Any

import click


class Number(click.IntRange):
    """A whole number from ``min`` to ``max``, both of them taken."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that was given."""
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"give a whole number from {self.min} to {self.max}, not {value!r}", param, ctx)


PORT = Number(1, 65535)
