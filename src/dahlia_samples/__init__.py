"""A garden of daisies, daffodils and dahlias, drawn by code: photos by tag, and scenes with boxes.

`dahlia demo`, `dahlia sample` and the tests use them; the core does not import them.
"""

from dahlia_samples.flowers import TAGS
from dahlia_samples.garden import generate_garden, generate_scenes
from dahlia_samples.photos import Scene, draw_flower_photo, draw_scene

__all__ = ["TAGS", "Scene", "draw_flower_photo", "draw_scene", "generate_garden", "generate_scenes"]
