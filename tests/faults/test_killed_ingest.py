"""``xunyi ingest`` killed at any moment and run again: what was stored stays, and the end is the same.

A kill waits for what it is meant to strike (the start, a batch, the building of a cache) and then for a
random instant more, so that it strikes on fast machines and slow ones alike.
"""

import random
import sqlite3
import time
from contextlib import closing

import pytest

from tests.faults.homes import assert_same, documents, rows, write_documents
from tests.faults.processes import PAUSE_SECONDS, ended, killed, started

BATCH = 32


def strike(home, process, ready, seconds):
    """Kill a process a while after ``ready`` is true; return whether it still ran."""
    while process.poll() is None and not ready():
        time.sleep(PAUSE_SECONDS)
    time.sleep(seconds)
    struck = process.poll() is None
    killed(process)
    return struck


def at_once(home):
    return lambda: True


def after_a_batch(home):
    """The next batch has been committed."""
    before = len(documents(home))
    return lambda: len(documents(home)) > before


def after_some_batches(home):
    before = len(documents(home))
    return lambda: len(documents(home)) >= before + 3 * BATCH


def while_words_are_indexed(home):
    return lambda: any(home.glob("caches/lexical-*/writing/*"))


def while_words_are_published(home):
    return lambda: any(home.glob("caches/lexical-*/publishing"))


def while_vectors_are_folded(home):
    return lambda: any(home.glob("caches/vectors-*"))


def survives(home, folder, moments, seed):
    """Ingest once for each moment, killed then; check after each that all that was there still is."""
    lot = random.Random(seed)
    struck = 0
    for ready, longest in moments:
        before = documents(home)
        process = started(home, "ingest", folder)
        struck += strike(home, process, ready(home), lot.uniform(0, longest))
        after = documents(home)
        assert {key: after.get(key) for key in before} == before
        assert rows(home, "PRAGMA integrity_check") in ([("ok",)], [])
    return struck


def finishes(home, folder, count):
    """Run it to its end; then again, when there is nothing left to do."""
    status, out, err = ended(started(home, "ingest", folder))
    assert status == 0, err
    stored = documents(home)
    assert len(stored) == count
    status, out, err = ended(started(home, "ingest", folder))
    assert status == 0 and f"{count} unchanged" in out, err
    assert documents(home) == stored


def test_an_ingest_that_is_killed_three_times_ends_as_if_nothing_had_happened(
    tmp_path, new_home, ingested, assert_clean
):
    folder = write_documents(tmp_path / "docs", 150)
    undisturbed = ingested(new_home("undisturbed"), folder)
    home = new_home()
    moments = [(after_a_batch, 0.1), (after_a_batch, 0.1), (while_words_are_indexed, 0.01)]
    assert survives(home, folder, moments, seed=1) == 3
    finishes(home, folder, 150)
    assert_same(home, undisturbed)
    assert_clean(home)


def count_of_states(home):
    ((count,),) = rows(home, "SELECT count(*) FROM token_states")
    return count


@pytest.mark.slow
def test_a_home_of_an_older_version_gets_its_states_however_often_that_is_killed(
    tmp_path, new_home, ingested, assert_clean
):
    folder = write_documents(tmp_path / "docs", 150)
    undisturbed = ingested(new_home("undisturbed"), folder)
    home = ingested(new_home(), folder)
    with closing(sqlite3.connect(home / "xunyi.db")) as connection, connection:
        connection.execute("DELETE FROM token_states")
    for _ in range(2):
        before = count_of_states(home)
        process = started(home, "worker", "--once")
        assert strike(home, process, lambda before=before: count_of_states(home) > before, 0.05)
        assert before < count_of_states(home) < 150
    status, _, err = ended(started(home, "worker", "--once"))
    assert status == 0 and "the token states of default are made" in err
    assert_same(home, undisturbed)
    assert_clean(home)


@pytest.mark.slow
def test_thirty_kills_lose_and_double_nothing(tmp_path, new_home, ingested, assert_clean):
    folder = write_documents(tmp_path / "docs", 2000)
    undisturbed = ingested(new_home("undisturbed"), folder)
    home = new_home()
    lot = random.Random(30)
    storing = [(at_once, 2.0)] * 6 + [(after_a_batch, 0.4)] * 10 + [(after_some_batches, 0.4)] * 6
    lot.shuffle(storing)
    caching = [(while_words_are_indexed, 0.2)] * 3 + [(while_words_are_published, 0.02)] * 2
    caching += [(while_vectors_are_folded, 0.02)] * 3
    moments = storing + caching
    assert len(moments) == 30
    struck = survives(home, folder, moments, seed=30)
    print(f"{struck} of {len(moments)} kills found the ingest running")
    assert struck >= 25
    finishes(home, folder, 2000)
    assert_same(home, undisturbed)
    assert_clean(home)
