"""``xunyi worker``: the tasks and the caches of a data folder, kept by a process of their own."""

import ctypes
import logging
import os
import signal

import click

from indexer.service import Service
from indexer.shell import options
from indexer.worker import Worker

_PR_SET_PDEATHSIG = 1


@click.command(short_help="Do the tasks and keep the caches, as `serve` has it done.")
@click.option("--once", is_flag=True, help="End when there is nothing left to do.")
@click.option("--child-of", type=int, hidden=True, help="End with this process, which started this one.")
@options.home_option
def worker(once: bool, child_of: int | None, home: str | None) -> None:
    """Do the tasks and keep the caches of a data folder, as serve's own worker does."""
    if child_of is not None:
        _die_with(child_of)
    logging.getLogger("indexer").setLevel(logging.INFO)
    with options.service(home) as service:
        running = Worker(service, "the worker of xunyi serve" if child_of else "xunyi worker")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop.set())
        if once:
            _once(service, running)
        else:
            running.run()


def _once(service: Service, running: Worker) -> None:
    with service.cache_lock.held("xunyi worker --once", service.clock()):
        running.run_until_idle()


def _die_with(parent: int) -> None:
    """Have the kernel end this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was told
        raise SystemExit(0)
