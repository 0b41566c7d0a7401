"""What text a database can hold: NUL and half a character (a lone surrogate) are none.

What could not be stored is refused on its way in; what is merely asked for is not found.
"""


def is_text(value: str) -> bool:
    """Return whether both databases can hold ``value`` and give it back as it is."""
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in value)
