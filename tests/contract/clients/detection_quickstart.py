"""`python detection_quickstart.py PHOTOS ASK`: the SDK's first program that finds things, as people write it.

PHOTOS is a folder with `regions.csv` (file, tag, left, top, width, height), ASK a photo. The environment says
where: VISION_ENDPOINT, VISION_TRAINING_KEY, VISION_PREDICTION_KEY, VISION_PREDICTION_RESOURCE_ID, and
VISION_DOMAIN, the name of a domain. Nothing here is Dahlia's.
"""

from __future__ import annotations

import csv
import os
import sys
import time
import uuid
from collections import defaultdict
from pathlib import Path

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from msrest.authentication import ApiKeyCredentials

ENDPOINT = os.environ["VISION_ENDPOINT"]
training_key = os.environ["VISION_TRAINING_KEY"]
prediction_key = os.environ["VISION_PREDICTION_KEY"]
prediction_resource_id = os.environ["VISION_PREDICTION_RESOURCE_ID"]
domain_name = os.environ.get("VISION_DOMAIN", "General")
photos, ask = Path(sys.argv[1]), Path(sys.argv[2])
publish_iteration_name = "detectModel"

trainer = CustomVisionTrainingClient(ENDPOINT, ApiKeyCredentials(in_headers={"Training-key": training_key}))
predictor = CustomVisionPredictionClient(
    ENDPOINT, ApiKeyCredentials(in_headers={"Prediction-key": prediction_key})
)

obj_detection_domain = next(
    domain
    for domain in trainer.get_domains()
    if domain.type == "ObjectDetection" and domain.name == domain_name
)

print("Creating project...")
project = trainer.create_project(f"Quickstart {uuid.uuid4()}", domain_id=obj_detection_domain.id)

with (photos / "regions.csv").open(newline="") as table:
    rows = [row for row in csv.DictReader(table) if row["tag"]]
tags = {name: trainer.create_tag(project.id, name) for name in sorted({row["tag"] for row in rows})}

print("Adding images...")
regions_of = defaultdict(list)
for row in rows:
    place = {name: float(row[name]) for name in ("left", "top", "width", "height")}
    regions_of[row["file"]].append(Region(tag_id=tags[row["tag"]].id, **place))
tagged_images_with_regions = [
    ImageFileCreateEntry(name=file_name, contents=(photos / file_name).read_bytes(), regions=regions)
    for file_name, regions in regions_of.items()
]
for start in range(0, len(tagged_images_with_regions), 64):
    upload_result = trainer.create_images_from_files(
        project.id, ImageFileCreateBatch(images=tagged_images_with_regions[start : start + 64])
    )
    if not upload_result.is_batch_successful:
        print("Image batch upload failed.")
        for image in upload_result.images:
            print("Image status: ", image.status)
        sys.exit(-1)

print("Training...")
iteration = trainer.train_project(project.id)
while iteration.status != "Completed":
    iteration = trainer.get_iteration(project.id, iteration.id)
    print("Training status: " + iteration.status)
    if iteration.status == "Failed":
        sys.exit(iteration.training_error_details)
    time.sleep(1)

trainer.publish_iteration(project.id, iteration.id, publish_iteration_name, prediction_resource_id)
print("Done!")

with ask.open("rb") as test_data:
    results = predictor.detect_image(project.id, publish_iteration_name, test_data.read())
for prediction in results.predictions:
    box = prediction.bounding_box
    print(
        f"\t{prediction.tag_name}: {prediction.probability * 100:.2f}% bbox.left = {box.left:.2f}, "
        f"bbox.top = {box.top:.2f}, bbox.width = {box.width:.2f}, bbox.height = {box.height:.2f}"
    )

trainer.unpublish_iteration(project.id, iteration.id)
trainer.delete_iteration(project.id, iteration.id)
trainer.delete_project(project.id)
print("Deleted!")
