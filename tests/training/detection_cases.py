"""Small photos with coloured squares, and a detector that can learn them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dahlia.boxes import Boxes, no_boxes
from dahlia.dataset.inspection import sha256_of_file
from dahlia.dataset.records import ImageRecord, Region
