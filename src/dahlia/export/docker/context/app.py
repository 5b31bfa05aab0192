"""A classifier behind HTTP. Run `python app.py`, then post a photo to `/image`.

`/image` and `/url` answer as the containers that Custom Vision exports; `/customvision/v3.1/prediction/...`
answers as its cloud does, so its client libraries work when they are given this server's address.
`settings.py` lists what the environment may set.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import uvicorn

from dahlia.errors import DahliaError, ServingError
from dahlia.export.docker.context.door import Door
from dahlia.export.docker.context.model import load_model
from dahlia.export.docker.context.settings import Settings, read_settings
from dahlia.serving.http.connections import Connections
from dahlia.serving.http.guard import guarded
from dahlia.serving.http.limits import most_files

_LAST_ANSWERS_SECONDS = 20  # what is under way when the server is told to end


def main() -> int:
    """Serve until SIGTERM; the exit code is 1 where the server cannot start."""
    try:
        settings = read_settings(os.environ)
        model = load_model(Path(__file__).parent)
        listener = _listen(settings)
    except DahliaError as error:
        print(error, file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    if not settings.key:
        print("PREDICTION_KEY is not set: everyone who reaches the port may ask for predictions.")
    print(f"{model.project} listens on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    config = uvicorn.Config(
        Door(model, settings),
        loop="asyncio",
        http=guarded("h11", Connections(settings.limits, most_files()), settings.origins),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ServingError(
            f"Port {settings.port} of {settings.host} was expected to be free for this user "
            f"({error.strerror}). Set PORT to another, such as 8080.",
            code="ErrorPredictionServiceUnavailable",
            status=503,
        ) from error


if __name__ == "__main__":
    sys.exit(main())
