"""The network in LitServe, with the photos read as the tuned server of `serving_peers.py` reads them.

    MODEL=model.onnx python serving_litserve.py PORT

LitServe reads annotations as they are, so they are no texts here.
"""

import sys
from typing import Any

import litserve  # type: ignore[import-not-found]
from fastapi import UploadFile

from serving_peers import listed, prepared_fast, tuned_session


class Network(litserve.LitAPI):  # type: ignore[misc]
    """Takes a file, gives probabilities."""

    def setup(self, device: str) -> None:
        """Open the graph, once in each process."""
        self.session = tuned_session()

    def decode_request(self, request: UploadFile) -> Any:
        """The pixels of a file, as the graph takes them."""
        return prepared_fast(request.file.read(), "RGB")

    def predict(self, batch: Any) -> Any:
        """The probabilities of all tags."""
        return self.session.run(["model_output"], {"data": batch})[0][0]

    def encode_response(self, output: Any) -> dict[str, Any]:
        """What the client gets."""
        return listed(output)


if __name__ == "__main__":
    server = litserve.LitServer(Network(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
