"""Features that have been computed once: one SQLite file per backbone, input size and rules of decoding."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import RULES
from dahlia.errors import TrainingError

Key = tuple[str, str]
EXACT = "32-true"


def require_finite(vectors: npt.NDArray[np.float32], architecture: str) -> None:
    """Let features pass that are numbers.

    Raises:
        TrainingError: one is not finite; the backbone's `architecture` is named.
    """
    if not np.isfinite(vectors).all():
        raise TrainingError(
            f"The backbone {architecture} gave features that are not finite. Its weights are damaged: choose "
            "others in `domain.backbone.weights`."
        )


class FeatureCache:
    """Feature vectors by (image id, view).

    A row is there whole or not at all, also after a kill; two processes may write at once.

    Args:
        folder: where the files are.
        fingerprint: of the backbone; other weights are another file.
        size: input edge in pixels.
        precision: in which the features are computed; each has its own file. Whether torch or ONNX Runtime
            computes them makes less of a difference than another processor.
    """

    def __init__(self, folder: Path, fingerprint: str, size: int, precision: str = EXACT) -> None:
        name = f"{fingerprint[:16]}-{size}-{RULES}" + ("" if precision == EXACT else f"-{precision}")
        self.path = folder / f"{name}.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"The feature cache {folder} cannot be made ({error.strerror}). Choose a project folder that "
                "you may write to."
            ) from error
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS features "
                "(id TEXT, view TEXT, vector BLOB NOT NULL, PRIMARY KEY (id, view)) WITHOUT ROWID"
            )

    def missing(self, keys: Sequence[Key]) -> list[Key]:
        """The keys that are not there, in their given order."""
        with self._connection() as connection:
            known = set(connection.execute("SELECT id, view FROM features"))
        return [key for key in keys if key not in known]

    def put(self, keys: Sequence[Key], vectors: npt.NDArray[np.float32]) -> None:
        """Keep (N, D) vectors for N keys."""
        rows = [(*key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)

    def get(self, keys: Sequence[Key]) -> npt.NDArray[np.float32]:
        """(N, D) vectors of N keys, all of which must be there."""
        with self._connection() as connection:
            vectors = [
                connection.execute("SELECT vector FROM features WHERE id = ? AND view = ?", key).fetchone()[0]
                for key in keys
            ]
        return np.stack([np.frombuffer(vector, np.float32) for vector in vectors])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=60)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise TrainingError(
                f"The feature cache {self.path} cannot be used ({error}). Delete the file (it is only a "
                "cache) or free some space, then run again."
            ) from error
