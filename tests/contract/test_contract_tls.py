"""The SDK over https, with an authority of the tests' own, against the command as a process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.prediction.models import CustomVisionErrorException
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from click.testing import CliRunner
from contract_projects import COMPACT, NOBODY, Photos, batch_of
from contract_server import RunningServer, running_server
from msrest.authentication import ApiKeyCredentials
from msrest.exceptions import ClientRequestError

from certificates import Authority
from dahlia.cli import cli

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a certificate, without workers."""
    issued = authority.issue()
    home = tmp_path_factory.mktemp("secure") / "home"
    options = ("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key))
    with running_server(home, *options, DAHLIA_JOBS_WORKERS="0") as server:
        yield server


def client(kind: Any, server: RunningServer, key: str, authority: Authority | None) -> Any:
    made = kind(server.base, ApiKeyCredentials(in_headers={"Training-key": key}))
    if authority:
        made.config.connection.verify = str(authority.file)
    return made


def test_the_sdk(secure: RunningServer, authority: Authority, photos: Photos) -> None:
    assert secure.base.startswith("https://127.0.0.1:")
    training = client(CustomVisionTrainingClient, secure, secure.training_key, authority)
    project = training.create_project("Secure", domain_id=COMPACT, classification_type="Multiclass")
    tag = training.create_tag(project.id, "daisy")
    added = training.create_images_from_files(project.id, batch_of(photos["daisy"], tag.id))
    assert added.is_batch_successful
    link = training.get_tagged_images(project.id, take=1)[0].original_image_uri
    assert link.startswith(f"{secure.base}/files/")
    photo = requests.get(link, verify=str(authority.file), timeout=30)
    assert photo.content in photos["daisy"]
    prediction = client(CustomVisionPredictionClient, secure, secure.prediction_key, authority)
    with pytest.raises(CustomVisionErrorException) as error:
        prediction.classify_image(project.id, "nothing", io.BytesIO(photos["daisy"][0]))
    assert error.value.error.code == "NotFoundIteration"


def test_who_does_not_trust_the_authority(
    secure: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = client(CustomVisionTrainingClient, secure, secure.training_key, None)
    training.config.retry_policy.policy.total = 0
    with pytest.raises(ClientRequestError, match="CERTIFICATE_VERIFY_FAILED"):
        training.get_project(NOBODY)


def test_commands_and_probes(
    secure: RunningServer, authority: Authority, garden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/healthz", "/readyz", "/docs"):
        assert requests.get(secure.base + path, verify=str(authority.file), timeout=30).status_code == 200
    runner, folder = CliRunner(), tmp_path / "fruit"
    runner.invoke(cli, ["init", str(folder)], catch_exceptions=False)
    (folder / "data" / "images" / "daisy").symlink_to(garden / "daisy")
    command = ["push", str(folder), "--to", secure.base, "--key", secure.training_key]
    refused = runner.invoke(cli, command)
    assert "REQUESTS_CA_BUNDLE" in str(refused.exception)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    assert "9 photos sent" in runner.invoke(cli, command, catch_exceptions=False).output
