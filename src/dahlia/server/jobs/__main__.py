"""`python -m dahlia.server.jobs`: a worker, as `dahlia worker` starts one."""

from __future__ import annotations

import os

from dahlia.server.jobs.worker import work
from dahlia.server.opening import open_server
from dahlia.server.settings import load_settings

if __name__ == "__main__":
    work(open_server(load_settings(None, os.environ)))
