"""The project's iterations and the names under which they are published."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dahlia import layout
from dahlia.config import nearest
from dahlia.errors import TrackingError
from dahlia.masking import masked
from dahlia.params import Params
from dahlia.tracking.iteration import (
    Iteration,
    decode,
    encode,
    iteration_of,
    normalise,
    write_snapshot,
)
from dahlia.tracking.store import bundle_folder, connect, servable_folder, tracking_uri, translated_errors
from dahlia.tracking.tables import Row, compare_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

_PAGE = 1000


class Registry:
    """Reads iterations from MLflow and publishes them.

    Every method may raise TrackingError when the store cannot be reached or nothing was recorded yet.
    Instances may be shared between threads.

    Args:
        root: the project folder.
        project: the project's name, which is the registered model's name.
        uri: MLflow's tracking URI; a relative SQLite path is relative to `root`.
    """

    def __init__(self, root: Path, project: str, uri: str) -> None:
        self.root = root.resolve()
        self.project = project
        self.uri = uri
        self._lock = threading.Lock()

    @classmethod
    def of(cls, root: Path, params: Params) -> Registry:
        """The registry of the project in `root`, or that `root` is a copy of."""
        return cls(layout.home(root), params.project.name, tracking_uri(params))

    def iterations(self) -> list[Iteration]:
        """All iterations, by rising number."""
        with translated_errors("Reading the iterations"):
            aliases = self._aliases_by_version(self._model())
            runs = {run.info.run_id: run for run in self._runs()}
            versions = sorted(self._versions(), key=lambda version: int(version.version))
            return [
                iteration_of(version, runs[version.run_id], aliases.get(int(version.version), []))
                for version in versions
                if version.run_id in runs
            ]

    def get(self, number: int) -> Iteration:
        """One iteration.

        Raises:
            TrackingError: there is none with this number; the message lists those that exist.
        """
        known = {iteration.number: iteration for iteration in self.iterations()}
        if number not in known:
            raise TrackingError(
                f"Expected an iteration of {self.project!r}, received {number}; known: "
                f"{', '.join(map(str, known)) or 'none'}. List them with `dahlia iterations`."
            )
        return known[number]

    def find(self, fingerprint: str) -> Iteration | None:
        """The iteration with this fingerprint, the newest if there are several."""
        found = [iteration for iteration in self.iterations() if iteration.fingerprint == fingerprint]
        return found[-1] if found else None

    def published(self) -> dict[str, Iteration]:
        """Publish names and what they stand for, sorted by name."""
        found = {name: iteration for iteration in self.iterations() for name in iteration.published}
        return dict(sorted(found.items()))

    def published_versions(self) -> dict[str, int]:
        """Publish names and iteration numbers, in one quick query."""
        with translated_errors("Reading the published names"):
            aliases = self._model().aliases
        decoded = {decode(alias): int(number) for alias, number in aliases.items()}
        return {name: number for name, number in sorted(decoded.items(), key=str) if name is not None}

    def publish(self, number: int, name: str) -> Iteration:
        """Serve an iteration under a name, moving the name if another iteration has it.

        The move is one write to the registry: at any time the name stands for the older or for the newer
        iteration. `published/`, from which a Bento is built, is then rewritten.

        Raises:
            TrackingError: the iteration does not exist or has nothing to serve, or the name is refused.
        """
        alias = encode(name)
        self.servable(self.get(number))
        with translated_errors(f"Publishing iteration {number} as {name!r}"):
            self._client.set_registered_model_alias(self.project, alias, str(number))
        self.write_snapshot()
        return self.get(number)

    def unpublish(self, name: str) -> None:
        """Stop serving a name.

        Raises:
            TrackingError: nothing is published under it; the message names the nearest.
        """
        known = self.published_versions()
        name = normalise(name)
        if name not in known:
            hint = nearest(name, list(known)) if known else "; nothing is published."
            raise TrackingError(f"No iteration is published as {name!r}{hint} See `dahlia iterations`.")
        with translated_errors(f"Unpublishing {name!r}"):
            self._client.delete_registered_model_alias(self.project, encode(name))
        self.write_snapshot()

    def servable(self, iteration: Iteration) -> Path:
        """A local folder with the iteration's `model.onnx` and `model.json`.

        Artifacts of a remote store are downloaded once, into `.dahlia/models/`.

        Raises:
            TrackingError: the iteration has no such export, or it cannot be downloaded.
        """
        with translated_errors(f"Fetching the model of iteration {iteration.number}"):
            return servable_folder(self._client, iteration, self.root)

    def bundle(self, iteration: Iteration) -> Path:
        """A local folder with the iteration's trained model.

        Raises:
            TrackingError: it holds none, or it cannot be downloaded.
        """
        with translated_errors(f"Fetching the model of iteration {iteration.number}"):
            return bundle_folder(self._client, iteration, self.root)

    def write_snapshot(self) -> Path:
        """Write `published/`: every published model, in the shape that a Bento carries.

        The folder is derived and replaced whole; `publish` and `unpublish` call this.
        """
        return write_snapshot(self.root / "published", self.published(), self.servable)

    def compare(self, first: int, second: int) -> list[Row]:
        """What differs between two iterations: parameters, metrics, and each tag's figures."""
        a, b = self.get(first), self.get(second)
        with translated_errors("Reading the iterations"):
            return compare_runs(self._client.get_run(a.run_id), self._client.get_run(b.run_id))

    @cached_property
    def _connected(self) -> MlflowClient:
        return connect(self.uri, self.root)

    @property
    def _client(self) -> MlflowClient:
        with self._lock:
            return self._connected

    def _model(self) -> RegisteredModel:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(self.project)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise TrackingError(
                f"The store {masked(self.uri)} holds no iteration of the project {self.project!r}. "
                "Run `dvc repro` to train and record one."
            ) from None

    def _versions(self) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(
                f"name='{self.project}'", max_results=_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    def _runs(self) -> list[Run]:
        from mlflow.entities import ViewType

        experiment = self._client.get_experiment_by_name(self.project)
        if experiment is None:
            return []
        found: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs(
                [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

    @staticmethod
    def _aliases_by_version(model: RegisteredModel) -> dict[int, list[str]]:
        aliases: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(int(number), []).append(alias)
        return aliases
