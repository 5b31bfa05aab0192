"""Ends with 0 if the server in this container answers; Docker asks it now and then."""

from __future__ import annotations

import http.client
import os
import sys


def is_healthy(port: int, seconds: float = 4) -> bool:
    """Whether `GET /healthz` on this machine is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_healthy(int(os.environ.get("PORT") or 80)))
