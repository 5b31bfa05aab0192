"""What the service does with a photo, in this process, with no HTTP: FOLDER PHOTO THREADS SECONDS.

The model is computed by what was chosen for it on this machine.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from dahlia.serving.choice.remembered import cache_folder, key_of, load_choice
from dahlia.serving.models.runtime import load_model
from dahlia.serving.models.runtimes import RUNTIMES
from dahlia.serving.prediction_api import answer


def main(folder: Path, photo: Path, threads: int, seconds: float) -> None:
    files = folder / "published" / "iteration-1"
    model = load_model(files, "1", 1)
    if choice := load_choice(cache_folder(), key_of(files)):
        runtime, size = RUNTIMES[choice.chosen], model.card.input.size
        model.take(runtime.engine(files / "model.onnx", model.reader, size, 1), runtime.name)
    data = photo.read_bytes()
    for _ in range(20):
        answer(model, model.predict(data))
    times: list[float] = []
    spent = time.process_time()
    end = time.perf_counter() + seconds

    def work() -> None:
        while (began := time.perf_counter()) < end:
            answer(model, model.predict(data))
            times.append(time.perf_counter() - began)

    pool = [threading.Thread(target=work) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    cpu = 1000 * (time.process_time() - spent) / len(times)
    print(json.dumps({"rate": len(times) / seconds, "p50": p50, "p99": p99, "cpu": cpu, "refused": 0}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
