r"""Files of a multipart form, by names that cannot lead anywhere.

A client names its files as it likes: ``../../etc/passwd``, ``C:\fakepath\a.pdf``.  Only the base
name without control characters goes on; the API and the upload page both read files here.
"""

import re
import unicodedata
from typing import BinaryIO, cast

from flask import request

from indexer.records import UploadedFile
from search.errors import InvalidInput
from web.limits import FILES_MAX


def uploaded_files(field: str) -> list[UploadedFile]:
    """Return the files that the current request brings in ``field``.

    Raises:
        InvalidInput: there is none, one is no file, there are too many, or one has no usable name.
    """
    if field in request.form:
        raise InvalidInput(f"the form part {field!r} holds text and no file; with curl, write {field}=@PATH")
    chosen = [file for file in request.files.getlist(field) if file.filename]
    if not chosen:
        raise InvalidInput(f"no file was sent; choose at least one (form part {field!r})")
    if len(chosen) > FILES_MAX:
        raise InvalidInput(f"{len(chosen)} files were sent; send at most {FILES_MAX} at a time")
    return [UploadedFile(base_name(file.filename or ""), cast(BinaryIO, file.stream)) for file in chosen]


def base_name(name: str) -> str:
    """Return what follows the last slash of either kind, without control characters.

    Raises:
        InvalidInput: nothing is left that could name a document.
    """
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(c for c in last if not unicodedata.category(c).startswith("C")).strip()
    if clean in ("", ".", ".."):
        raise InvalidInput(f"{name[:100]!r} is no usable file name; rename the file and send it again")
    return clean
