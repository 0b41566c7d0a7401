"""A home folder that stands, opened as a program opens it."""

from contextlib import contextmanager

from indexer.service import Service
from indexer.settings import Settings


@contextmanager
def opened(home):
    """Yield the service of a home that is there, and close it."""
    service = Service.open(Settings.from_environment({}, home), new=False)
    try:
        yield service
    finally:
        service.close()
