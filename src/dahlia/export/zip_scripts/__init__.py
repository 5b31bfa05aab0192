"""What lies in `python/` of a detector's zip: files that need none of Dahlia.

They import each other as neighbours there; see `dahlia.export.standalone`.
"""
