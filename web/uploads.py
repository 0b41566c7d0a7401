r"""Files of a multipart form, by names that cannot lead anywhere.

A client names its files as it likes: ``../../etc/passwd``, ``C:\fakepath\a.pdf``.  Only the base
name without control characters goes on; the API and the upload page both read files here.
"""

import re
import unicodedata
from typing import BinaryIO, cast

from flask import request

from indexer.records import UploadedFile
from search.errors import InvalidInput, TooLarge
from search.evaluation.judged import decoded
from web.limits import FILES_MAX
from web.service import settings


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


def uploaded_text(field: str) -> str:
    """Return the text of the one file that the current request brings in ``field``.

    Raises:
        InvalidInput: there is none, there are several, or it is not UTF-8.
        TooLarge: it has more bytes than the body of a request may have.
    """
    files, bytes_max = uploaded_files(field), settings().request_bytes_max
    if len(files) > 1:
        raise InvalidInput(f"{len(files)} files were sent as {field!r}; choose one")
    content = files[0].stream.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise TooLarge(
            f"{files[0].name[:100]!r} is over the limit of {bytes_max} bytes", limit_bytes=bytes_max
        )
    return decoded(content, files[0].name)


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
