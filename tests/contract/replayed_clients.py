"""How SDKs that are not run here write the requests of a quickstart.

Taken from the generated sources of the SDKs and the recorded sessions of their tests (the page on
compatibility names them): paths, orders of parameters, encodings, headers and forms, not their code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, urlsplit

from raw_http import multipart, written

_JSON = "Content-Type: application/json; charset=utf-8"


@dataclass(frozen=True)
class CSharp:
    """Microsoft.Azure.CognitiveServices.Vision.CustomVision.Training and .Prediction.

    Attributes:
        base: the server; the endpoint that the SDK was given ends with a slash.
        training_key: of the server.
        prediction_key: of the server.
        training: the version that the package speaks: 1.0 v3.0, 1.1 v3.2, 2.0 v3.3.
        framework: on .NET Framework, which asks before it sends a body, and does not count streams.
    """

    base: str
    training_key: str
    prediction_key: str
    training: str = "v3.3"
    framework: bool = False

    def train_api(
        self, verb: str, path: str, body: bytes = b"", kind: str = _JSON, *, stream: bool = False
    ) -> bytes:
        """A request of the training client."""
        client = "Training.CustomVisionTrainingClient"
        key = f"Training-Key: {self.training_key}"
        return self._sent(
            f"{verb} //customvision/{self.training}/training{path}", key, client, body, kind, stream
        )

    def create_project(self, name: str, kind: str = "") -> bytes:
        more = f"&classificationType={kind}" if kind else ""
        return self.train_api("POST", f"/projects?name={quote(name, safe='')}{more}")

    def create_tag(self, project: str, name: str) -> bytes:
        return self.train_api("POST", f"/projects/{project}/tags?name={quote(name, safe='')}")

    def create_images_from_data(self, project: str, image: bytes, *tags: str) -> bytes:
        """From a `FileStream`, whose whole path is sent, on .NET Framework; else from a `MemoryStream`."""
        name = '; filename="C:\\Images\\Hemlock\\hemlock_1.jpg"' if self.framework else ""
        path = f"/projects/{project}/images?tagIds={quote(','.join(tags), safe='')}"
        form, kind = _dotnet_form(image, name)
        return self.train_api("POST", path, form, kind, stream=self.framework)

    def create_images_from_files(self, project: str, images: Sequence[bytes], *tags: str) -> bytes:
        entries = [
            {"name": f"{n}.jpg", "contents": base64.b64encode(one).decode()} for n, one in enumerate(images)
        ]
        body = json.dumps({"images": entries, "tagIds": tags}, indent=2).replace("\n", "\r\n").encode()
        return self.train_api("POST", f"/projects/{project}/images/files", body)

    def train_project(self, project: str) -> bytes:
        path = f"/projects/{project}/train?reservedBudgetInHours=0&forceTrain=false"
        return self.train_api("POST", path)

    def get_iteration(self, project: str, iteration: str) -> bytes:
        return self.train_api("GET", f"/projects/{project}/iterations/{iteration}")

    def publish(self, project: str, iteration: str, name: str, resource: str) -> bytes:
        query = f"publishName={quote(name, safe='')}&predictionId={quote(resource, safe='')}"
        return self.train_api("POST", f"/projects/{project}/iterations/{iteration}/publish?{query}")

    def unpublish(self, project: str, iteration: str) -> bytes:
        return self.train_api("DELETE", f"/projects/{project}/iterations/{iteration}/publish")

    def delete_project(self, project: str) -> bytes:
        return self.train_api("DELETE", f"/projects/{project}")

    def classify(self, project: str, name: str, image: bytes) -> bytes:
        form, kind = _dotnet_form(image)
        path = f"//customvision/v3.1/prediction/{project}/classify/iterations/{quote(name, safe='')}/image"
        client = "Prediction.CustomVisionPredictionClient"
        return self._sent(
            f"POST {path}", f"Prediction-Key: {self.prediction_key}", client, form, kind, self.framework
        )

    def _sent(self, line: str, key: str, client: str, body: bytes, kind: str, stream: bool) -> bytes:
        agent = (
            "User-Agent: FxVersion/4.6.29321.03 OSName/Windows OSVersion/Microsoft.Windows.10.0.18363. "
            f"Microsoft.Azure.CognitiveServices.Vision.CustomVision.{client}/2.0.0.0"
        )
        headers = [key, agent, f"Host: {urlsplit(self.base).netloc}"]
        if self.framework and body:
            headers.append("Expect: 100-continue")
        return written(line, [*headers, kind] if body else headers, body, chunks=4096 if stream else 0)


@dataclass(frozen=True)
class Java:
    """com.microsoft.azure.cognitiveservices:azure-cognitiveservices-customvision-training and -prediction."""

    base: str
    training_key: str
    prediction_key: str

    def train_api(self, verb: str, path: str, body: bytes = b"", kind: str = _JSON) -> bytes:
        """A request of the training client; types of content come with every request, GET too."""
        return self._sent(
            f"{verb} /customvision/v3.0/training/{path}", f"Training-Key: {self.training_key}", body, kind
        )

    def create_project(self, name: str, kind: str = "") -> bytes:
        more = f"&classificationType={kind}" if kind else ""
        return self.train_api("POST", f"projects?name={quote(name, safe='')}{more}")

    def create_tag(self, project: str, name: str) -> bytes:
        return self.train_api("POST", f"projects/{project}/tags?name={quote(name, safe='')}")

    def create_images_from_data(self, project: str, image: bytes, *tags: str) -> bytes:
        form, kind = _retrofit_form(image)
        return self.train_api("POST", f"projects/{project}/images?tagIds={'%2C'.join(tags)}", form, kind)

    def create_images_from_files(self, project: str, images: Sequence[bytes], *tags: str) -> bytes:
        entries = [
            {"name": f"{n}.jpg", "contents": base64.b64encode(one).decode(), "tagIds": tags}
            for n, one in enumerate(images)
        ]
        body = json.dumps({"images": entries}, separators=(",", ":")).encode()
        return self.train_api("POST", f"projects/{project}/images/files", body)

    def train_project(self, project: str) -> bytes:
        return self.train_api("POST", f"projects/{project}/train")

    def get_iteration(self, project: str, iteration: str) -> bytes:
        return self.train_api("GET", f"projects/{project}/iterations/{iteration}")

    def publish(self, project: str, iteration: str, name: str, resource: str) -> bytes:
        query = f"publishName={quote(name, safe='')}&predictionId={quote(resource, safe='')}"
        return self.train_api("POST", f"projects/{project}/iterations/{iteration}/publish?{query}")

    def unpublish(self, project: str, iteration: str) -> bytes:
        return self.train_api("DELETE", f"projects/{project}/iterations/{iteration}/publish")

    def delete_project(self, project: str) -> bytes:
        return self.train_api("DELETE", f"projects/{project}")

    def classify(self, project: str, name: str, image: bytes) -> bytes:
        form, kind = _retrofit_form(image)
        path = f"/customvision/v3.0/prediction/{project}/classify/iterations/{quote(name, safe='')}/image"
        return self._sent(f"POST {path}", f"Prediction-Key: {self.prediction_key}", form, kind)

    def _sent(self, line: str, key: str, body: bytes, kind: str) -> bytes:
        agent = "Azure-SDK-For-Java/1.6.1 OS:Linux/5.4.0 MacAddressHash:0 Java:1.8.0_252"
        headers = [
            kind,
            key,
            "accept-language: en-US",
            f"User-Agent: {agent} (CustomVisionTrainingClient, 3.0)",
            "x-ms-client-request-id: 3f1c0f29-8a5a-4b0f-b4e6-2f8f0b6c7d10",
            f"Host: {urlsplit(self.base).netloc}",
            "Connection: Keep-Alive",
            "Accept-Encoding: gzip",
        ]
        return written(line, headers, body)


@dataclass(frozen=True)
class Go:
    """github.com/Azure/azure-sdk-for-go/services/cognitiveservices/v3.0/customvision."""

    base: str
    training_key: str
    prediction_key: str

    def train_api(self, verb: str, path: str, body: bytes = b"", kind: str = _JSON) -> bytes:
        """A request of the training client."""
        headers = [
            f"Host: {urlsplit(self.base).netloc}",
            "User-Agent: Go/go1.17.6 (amd64-linux) go-autorest/v14.2.1 Azure-SDK-For-Go/v62.0.0 training/3.0",
            *([kind] if body else []),
            f"Training-Key: {self.training_key}",
            "Accept-Encoding: gzip",
        ]
        return written(f"{verb} /customvision/v3.0/training{path}", headers, body)

    def create_project(self, name: str, kind: str = "Multilabel") -> bytes:
        """Parameters in the order of their names, spaces as plus signs."""
        return self.train_api(
            "POST", f"/projects?classificationType={kind}&description=&name={quote_plus(name)}"
        )

    def create_images_from_data(self, project: str, image: bytes, *tags: str) -> bytes:
        boundary = "6b1d" * 15
        head = [
            'Content-Disposition: form-data; name="imageData"; filename="imageData"',
            "Content-Type: application/octet-stream",
        ]
        kind = f"Content-Type: multipart/form-data; boundary={boundary}"
        path = f"/projects/{project}/images?tagIds={'%2C'.join(tags)}"
        return self.train_api("POST", path, multipart(boundary, head, image), kind)


Client = CSharp | Java


def _dotnet_form(image: bytes, filename: str = "") -> tuple[bytes, str]:
    """The type comes first, the name has no quotes, the boundary has some."""
    boundary = "e6658d30-34b1-4c4b-acc4-2de631dd5edc"
    head = [
        "Content-Type: application/octet-stream",
        f"Content-Disposition: form-data; name=imageData{filename}",
    ]
    return multipart(boundary, head, image), f'Content-Type: multipart/form-data; boundary="{boundary}"'


def _retrofit_form(image: bytes) -> tuple[bytes, str]:
    """The part says of itself that it is a form, which it is not."""
    boundary = "0f5c2c7e-95f1-4c6c-9a5b-6c9cbf0f6d0e"
    head = [
        'Content-Disposition: form-data; name="imageData"',
        "Content-Transfer-Encoding: binary",
        "Content-Type: multipart/form-data",
        f"Content-Length: {len(image)}",
    ]
    return multipart(boundary, head, image), f"Content-Type: multipart/form-data; boundary={boundary}"
