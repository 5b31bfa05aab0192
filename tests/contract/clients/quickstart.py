"""`python quickstart.py PHOTOS ASK`: a first program with the SDK, as people write it.

PHOTOS is a folder of a folder per tag, ASK a photo. The environment says where: VISION_ENDPOINT,
VISION_TRAINING_KEY, VISION_PREDICTION_KEY, VISION_PREDICTION_RESOURCE_ID. Nothing here is Dahlia's.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)
from msrest.authentication import ApiKeyCredentials

ENDPOINT = os.environ["VISION_ENDPOINT"]
training_key = os.environ["VISION_TRAINING_KEY"]
prediction_key = os.environ["VISION_PREDICTION_KEY"]
prediction_resource_id = os.environ["VISION_PREDICTION_RESOURCE_ID"]
photos, ask = Path(sys.argv[1]), Path(sys.argv[2])

trainer = CustomVisionTrainingClient(ENDPOINT, ApiKeyCredentials(in_headers={"Training-key": training_key}))
predictor = CustomVisionPredictionClient(
    ENDPOINT, ApiKeyCredentials(in_headers={"Prediction-key": prediction_key})
)

print("Creating project...")
domain = next(
    domain
    for domain in trainer.get_domains()
    if domain.type == "Classification" and domain.name == "General (compact)"
)
project = trainer.create_project(f"Quickstart {uuid.uuid4()}", domain_id=domain.id)

print("Adding images...")
image_list = []
for folder in sorted(photos.iterdir()):
    tag = trainer.create_tag(project.id, folder.name)
    for photo in sorted(folder.iterdir()):
        with photo.open("rb") as image_contents:
            image_list.append(
                ImageFileCreateEntry(name=photo.name, contents=image_contents.read(), tag_ids=[tag.id])
            )
for start in range(0, len(image_list), 64):
    batch = ImageFileCreateBatch(images=image_list[start : start + 64])
    upload_result = trainer.create_images_from_files(project.id, batch)
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
    time.sleep(1)

trainer.publish_iteration(project.id, iteration.id, "classifyModel", prediction_resource_id)
print("Done!")

with ask.open("rb") as image_contents:
    results = predictor.classify_image(project.id, "classifyModel", image_contents.read())
for prediction in results.predictions:
    print(f"\t{prediction.tag_name}: {prediction.probability * 100:.2f}%")
