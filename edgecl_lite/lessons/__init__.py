"""What belongs to one lesson: its exercises, with the misconceptions that are recognised, and stored results.

Read check.py, the engine, then the file of a lesson; results.py loads what lies in `stored/`. Every lesson.
"""
