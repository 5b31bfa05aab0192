"""The folders in which projects are trained: laid out from a snapshot, run, collected.

A workspace is the project folder that `dahlia init` lays out, filled by the server and owned by one worker at
a time. Nothing here knows the database.
"""
