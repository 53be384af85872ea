"""What belongs to one lesson: its exercises, with the misconceptions they know, and stored results.

Read check.py, the engine, then the file of a lesson; results.py loads what lies in `stored/`.
Every lesson.
"""
