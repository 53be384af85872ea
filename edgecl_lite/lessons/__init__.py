"""What belongs to one lesson: its exercises, with the misconceptions they know, and stored results.

Read check.py, the engine, then a file of questions/; results.py loads what lies in `stored/`. What
a learner chose, measured and solved: kept.py, measured.py, jobs.py, dossier.py. Every lesson.
"""
