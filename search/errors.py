"""Every failure this project raises on purpose.

A ``SearchError`` is a fact about the caller's input or about the state of the service, told
in one sentence the caller can act on.  Anything else that escapes is a bug and is reported as one.
Nothing here knows about HTTP or exit statuses: ``web/errors.py`` and ``indexer/cli.py`` do.
"""

from typing import Any, ClassVar


class SearchError(Exception):
    """Base of all deliberate errors.

    ``code`` is public API, so a released code never changes its meaning.  ``details`` holds
    facts ready for JSON, and never a traceback, a local path or a secret.
    """

    code: ClassVar[str]

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


class InvalidInput(SearchError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    code = "invalid_input"


class InvalidFilter(SearchError):
    """A filter names an unknown operator, or compares a field with a value of the wrong type."""

    code = "invalid_filter"


class UnknownName(SearchError):
    """A name was asked for that no registry knows (encoder, reader, system)."""

    code = "unknown_name"


class UnknownCollection(SearchError):
    """No collection has this name."""

    code = "unknown_collection"


class UnknownEncoder(SearchError):
    """The collection has no encoder of this name, or not all of its vectors are made yet."""

    code = "unknown_encoder"


class UnknownDocument(SearchError):
    """No document of the collection has this key."""

    code = "unknown_document"


class UnknownPassage(SearchError):
    """No passage of the collection has this number."""

    code = "unknown_passage"


class UnknownWord(SearchError):
    """The texts of the collection have no such word."""

    code = "unknown_word"


class UnknownJudgements(SearchError):
    """The collection has no judgements of this name, or they have no such question."""

    code = "unknown_judgements"


class UnknownEvaluation(SearchError):
    """The collection has no evaluation of this number."""

    code = "unknown_evaluation"


class UnknownTask(SearchError):
    """No task has this number."""

    code = "unknown_task"


class CollectionExists(SearchError):
    """A collection of this name is there already."""

    code = "collection_exists"


class EncoderMismatch(SearchError):
    """A collection's encoder is fixed when it is made; another one was asked for."""

    code = "encoder_mismatch"


class NotCalibrated(SearchError):
    """A relevance is asked for where none is known yet."""

    code = "not_calibrated"


class NotMapped(SearchError):
    """A map is asked for that a worker has to make first."""

    code = "not_mapped"


class DuplicateKey(SearchError):
    """Two documents of one batch have the same key; the first is stored, the second refused."""

    code = "duplicate_key"


class EmptyInput(SearchError):
    """A file, record or stream holds nothing at all."""

    code = "empty_input"


class NoText(SearchError):
    """A readable file or record in which no searchable text was found."""

    code = "no_text"


class TooLittleToLearn(SearchError):
    """The collection has too few passages or words for what was to be learned from it."""

    code = "too_little_to_learn"


class UnknownFileType(SearchError):
    """The file is of a type no reader takes, or its content is not what its extension says."""

    code = "unknown_file_type"


class BrokenFile(SearchError):
    """The file is damaged or cut short and cannot be read to its end."""

    code = "broken_file"


class EncryptedFile(SearchError):
    """The file is protected by a password."""

    code = "encrypted_file"


class InvalidEncoding(SearchError):
    """The bytes are no text in any of the encodings that are understood."""

    code = "invalid_encoding"


class InvalidRecord(SearchError):
    """One record of a JSONL or CSV source, or one line of a bulk request, is malformed."""

    code = "invalid_record"


class TooLarge(SearchError):
    """A file, record, request or unpacked archive is over the stated limit."""

    code = "too_large"


class ReaderFailed(SearchError):
    """A reader stumbled over a file in a way nobody foresaw: a bug of ours, and no fault of the others."""

    code = "reader_failed"


class UnreadablePath(SearchError):
    """A path does not exist, may not be read, or leads in a circle."""

    code = "unreadable_path"


class TooManyDeletions(SearchError):
    """A sync would delete more than half of what it compares; it needs to be told so."""

    code = "too_many_deletions"


class Unauthorized(SearchError):
    """The request carries no valid key."""

    code = "unauthorized"


class UnknownHome(SearchError):
    """The home folder is not there, or is a folder of another kind, and the command makes none."""

    code = "unknown_home"


class HomeTooNew(SearchError):
    """The home folder was written by a newer version of the program."""

    code = "home_too_new"


class CacheLocked(SearchError):
    """Another process keeps the caches of this home folder."""

    code = "cache_locked"


class StoreBusy(SearchError):
    """The database stayed locked by another process for longer than the busy timeout."""

    code = "store_busy"


class StorageFull(SearchError):
    """The disk is full; what was acknowledged before is stored, what failed is not."""

    code = "storage_full"


class ModelUnavailable(SearchError):
    """The model of a collection cannot be prepared or opened on this machine."""

    code = "model_unavailable"


class ModelRefused(SearchError):
    """A model was found, but it is malformed or failed its fidelity check."""

    code = "model_refused"


class StoreUnavailable(SearchError):
    """The data folder or the database cannot be made, opened, read or written."""

    code = "store_unavailable"
