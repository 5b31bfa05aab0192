"""When to choose a domain, by its choice in `conf/domain`."""

from __future__ import annotations

CHOOSE = {
    "general": "For most photos, with a larger network than General (compact); it is served, not exported.",
    "general_a1": "Sees the most detail, and takes longest: for hard questions, such as breeds or faults of "
    "parts.",
    "general_a2": "The fastest to train and to ask, for most photos.",
    "food": "For dishes, fruit and vegetables, with a larger network than Food (compact).",
    "landmarks": "For buildings and sights, with a larger network than Landmarks (compact).",
    "retail": "For clothes and goods in a shop, with a larger network than Retail (compact).",
    "general_compact": "For most photos, and for exports: choose this one if you are not sure.",
    "general_compact_s1": "Sees more detail than General (compact) and takes longer: for things that differ "
    "in small parts.",
    "food_compact": "For dishes, fruit and vegetables, as on a menu.",
    "landmarks_compact": "For buildings and sights, natural or made by people.",
    "retail_compact": "For clothes and goods, as in a catalogue or a shop.",
    "detection_general": "For most things, with a larger network than General (compact); it is served, not "
    "exported.",
    "detection_general_a1": "For small things and many tags; a training takes three times as long.",
    "detection_logo": "For logos of brands: seen aslant, in any colour, never mirrored.",
    "detection_products_on_shelves": "For many small packs close together, as on the shelves of a shop.",
    "detection_general_compact": "For most things, and for exports: choose this one if you are not sure.",
    "detection_general_compact_s1": "For most things, and finds smaller ones than General (compact).",
}
WITHDRAWN = "It was withdrawn: projects of it stay as they are, and no new ones are made."
