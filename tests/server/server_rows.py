"""Rows for tests that need no API."""

from __future__ import annotations

import hashlib
from typing import Any

from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.database.types import new_id
from dahlia.server.storage.names import image_key


def add_project(server: Server, name: str = "garden", **fields: Any) -> ProjectRow:
    values: dict[str, Any] = {
        "id": new_id(),
        "name": name,
        "description": "",
        "pipeline_name": name,
        "domain_id": "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31",
        "classification": "Multiclass",
        "export_platforms": [],
        "augmentation": {},
        "container_uri": None,
        "queue_uri": None,
        "status": "Succeeded",
        "created": server.now(),
        "modified": server.now(),
    }
    with server.database.write() as session:
        row = ProjectRow(**values | fields)
        session.add(row)
    return row


def add_image(server: Server, project: ProjectRow, data: bytes, **fields: Any) -> ImageRow:
    """An image whose file holds `data`, which need not be one."""
    sha256 = hashlib.sha256(data).hexdigest()
    server.storage.put(image_key(sha256, fields.get("suffix", ".jpg")), data)
    values: dict[str, Any] = {
        "id": new_id(),
        "project_key": project.key,
        "sha256": sha256,
        "suffix": ".jpg",
        "width": 640,
        "height": 480,
        "size": len(data),
        "details": {},
        "tagged": False,
        "created": server.now(),
        "added": 1,
        "removed": None,
    }
    with server.database.write() as session:
        row = ImageRow(**values | fields)
        session.add(row)
    return row
