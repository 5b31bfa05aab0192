"""A garden of daisies, daffodils and dahlias, drawn by code: photos by tag, and scenes with boxes."""

from dahlia.dataset.samples.flowers import TAGS
from dahlia.dataset.samples.garden import generate_garden, generate_scenes
from dahlia.dataset.samples.photos import Scene, draw_flower_photo, draw_scene

__all__ = ["TAGS", "Scene", "draw_flower_photo", "draw_scene", "generate_garden", "generate_scenes"]
