"""The YAML block at the head of a Markdown file, as typed fields.

Read as a tree and not as Python values: YAML's own guesses make ``no`` a truth value and ``007`` seven,
its aliases can unfold a kilobyte into gigabytes, and a name that comes twice would lose its first value.

The Markdown reader calls this.
"""

import re
from collections.abc import Mapping

import yaml  # type: ignore[import-untyped]

from indexer.readers.base import FieldValue, Scalar
from indexer.readers.records import metadata
from indexer.readers.typed import typed
from search.errors import InvalidRecord

BLOCK = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
CHARACTERS_MAX = 64 * 1024
NULL = ("", "~", "null", "Null", "NULL")

Value = Scalar | None | list["Value"] | dict[str, "Value"]


class NotPlain(Exception):
    """The block is YAML that has no one meaning as fields."""


def split(text: str) -> tuple[Mapping[str, FieldValue], str]:
    """Return the fields of the front matter and the text below it.

    A block that is no plain mapping of storable values (a rule and a paragraph look like one, too) is
    part of the text, so that nothing of it is lost.
    """
    block = BLOCK.match(text[:CHARACTERS_MAX])
    if not block:
        return {}, text
    try:
        value = plain(composed(block[1]), set())
        if isinstance(value, dict):
            return metadata(value), text[block.end() :]
    except (NotPlain, InvalidRecord):
        pass
    return {}, text


def composed(block: str) -> yaml.Node | None:
    """Return the tree of a YAML document."""
    try:
        return yaml.compose(block, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # such as "\\UFFFFFFFF"
        raise NotPlain from error


def plain(node: yaml.Node | None, seen: set[int], in_list: bool = False) -> Value:
    """Return what a node says; only unquoted scalars may be numbers, truth values or dates."""
    if node is None or id(node) in seen:  # an alias leads to a node that was there already
        raise NotPlain
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return mapping(node, seen, in_list)
    if isinstance(node, yaml.SequenceNode):
        return [plain(item, seen, in_list=True) for item in node.value]
    text: str = node.value
    if node.style is not None:
        return text
    if text in NULL:
        return None
    return text if in_list else typed(text)


def mapping(node: yaml.MappingNode, seen: set[int], in_list: bool) -> dict[str, Value]:
    """Return the fields of a mapping whose names are text and all different."""
    fields: dict[str, Value] = {}
    for name, value in node.value:
        if not isinstance(name, yaml.ScalarNode) or name.value in fields:
            raise NotPlain
        fields[name.value] = plain(value, seen, in_list)
    return fields
