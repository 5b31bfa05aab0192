"""What the README of a container says: how to build and run it, and how to ask it."""

from __future__ import annotations

from dataclasses import dataclass

from dahlia.dataset.formats import FORMATS
from dahlia.export.port import Usage
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

PORT = 8080


@dataclass(frozen=True)
class _Asking:
    """How a container of a kind is asked.

    Attributes:
        name: of its image.
        lines: what the README tells people to run.
        answers: a note on what it answers.
    """

    name: str
    lines: str
    answers: tuple[str, ...] = ()


_POST = f"""\
import json
import urllib.request
from pathlib import Path

photo = Path("photo.jpg").read_bytes()
headers = {{"Content-Type": "application/octet-stream"}}
request = urllib.request.Request("http://127.0.0.1:{PORT}/image", photo, headers)
with urllib.request.urlopen(request) as response:
    predictions = json.load(response)["predictions"]
"""
_CLASSIFIER = _Asking(
    name="classifier",
    lines=_POST
    + """\
best = max(predictions, key=lambda prediction: prediction["probability"])
print(best["tagName"], best["probability"])
""",
)
_DETECTOR = _Asking(
    name="detector",
    lines=_POST
    + """\
for one in predictions:
    if one["probability"] >= 0.3:
        print(one["tagName"], one["probability"], *one["boundingBox"].values())
""",
    answers=(
        "`boundingBox` has `left`, `top`, `width` and `height` as fractions of the photo. Overlapping boxes "
        "of a tag are suppressed, and the most probable is first. `tagId` is the number of a line of "
        "`labels.txt`, from 0. `/image` gives boxes as the model does, which may reach beyond the photo; the "
        "routes of the cloud cut them at its edges, and give the ids of tags.",
    ),
)
_ASKING: dict[Kind, _Asking] = {
    "multiclass": _CLASSIFIER,
    "multilabel": _CLASSIFIER,
    "detection": _DETECTOR,
}


def container_usage(card: ModelCard, platform: str) -> Usage:
    """How to build and run the container of a platform such as `linux/arm64`, and how to ask it."""
    asking = _ASKING[card.kind]
    return Usage(packages="", lines=asking.lines, notes=_notes(card, platform, asking))


def _notes(card: ModelCard, platform: str, asking: _Asking) -> tuple[str, ...]:
    base = f"http://127.0.0.1:{PORT}"
    return (
        f"Build: `docker build --platform {platform} --tag {asking.name} .`, with Docker 23 or newer.",
        f"Run: `docker run --rm --publish 127.0.0.1:{PORT}:80 {asking.name}`. Only this machine can reach "
        "it.",
        "For others: `export PREDICTION_KEY=$(openssl rand -hex 24)`, then `docker run --rm --publish "
        f"{PORT}:80 --env PREDICTION_KEY {asking.name}`.",
        "Without Docker: `pip install -r app/requirements.txt`, then "
        f"`HOST=127.0.0.1 PORT={PORT} python app/app.py`.",
        f"`POST {base}/image` takes a {FORMATS} of at most 4 MB, as the body or as the "
        "field `imageData` of a form. Post photos unchanged: the server decodes, turns and resizes them as "
        "training did.",
        f'`POST {base}/url` takes `{{"url": "https://..."}}`. Both answer as Custom Vision\'s containers do.',
        *asking.answers,
        f"`{base}/customvision/v3.1/prediction/...` answers as the cloud of Custom Vision: give its client "
        f"libraries `{base}` as the endpoint, `{card.project_id}` as the project, and any publish name.",
        "With `PREDICTION_KEY` set, every prediction needs that key in the header `Prediction-Key`. "
        "Without it, anyone who reaches the port may request predictions.",
        "With the key, web pages of every origin may request predictions; without it only those of this "
        "machine. `--env ORIGINS=https://app.example` names the allowed origins, separated by commas; "
        "`*` stands for every origin, `none` for none.",
        "`--env URL_FETCH=off` fetches no photos from the web, `any` also those of your own network; the "
        "default, `public`, only those at public addresses. "
        "`--env URL_FETCH_ALLOW=photos.lan,10.1.0.0/16` adds hosts and networks.",
        "Set `--env PORT=8080` if only root may use port 80. `--env THREADS=4` bounds the predictions "
        "computed at once.",
        "`--env MAX_CONNECTIONS=1000`, `MAX_CONNECTIONS_PER_ADDRESS=100`, `HEADER_SECONDS=15` and "
        "`STALLED_SECONDS=60` bound connections; behind a reverse proxy, name its address in `PROXIES`.",
        "`GET /healthz` shows whether it answers. On SIGTERM it finishes current requests and stops.",
    )
