"""The child process that UMAP runs in: reads vectors from a folder, and writes their places into it."""

import sys
import warnings
from pathlib import Path
from threading import Thread
from time import sleep

import numpy as np
import umap

from search.child import Channel, Step, reported
from search.maps.umap_plane import PLACES, ROWS

NEIGHBOURS = 15
NEAREST = 0.1
"""How close points may come to one another in the picture."""
PLACING = "placing passages"
TOLD_SECONDS = 1.0


def main() -> None:
    """Place the rows of the folder that the command line names, by the seed after it."""
    order, seed = Path(sys.argv[1]), int(sys.argv[2])
    channel = Channel()
    Thread(target=tell_life, args=(channel,), daemon=True).start()
    with reported(channel, "the disk is full; free some space and make the map again"):
        rows = np.load(order / ROWS, allow_pickle=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that a seed keeps it to one thread, which is the point
            learned = umap.UMAP(
                n_neighbors=min(NEIGHBOURS, rows.shape[0] - 1),
                min_dist=NEAREST,
                metric="cosine",
                random_state=seed,
                n_jobs=1,
                init="spectral" if rows.shape[0] > NEIGHBOURS else "random",
            ).fit_transform(rows)
        np.save(order / PLACES, np.asarray(learned, dtype=np.float32), allow_pickle=False)


def tell_life(channel: Channel) -> None:
    """Let the parent know now and then that it goes on, so that it can see to others, or stop this."""
    while True:
        channel.step(Step(PLACING, 0, 1))
        sleep(TOLD_SECONDS)


if __name__ == "__main__":
    main()
