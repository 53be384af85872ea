"""The machine below: torch's settings, files that survive a cut, answers in pieces that find room.

Read settled.py, disk.py, pieces.py; then foretell.py, which says beforehand what memory a training
takes, and environment.py, which says what is installed. Lesson: start_here.
"""
