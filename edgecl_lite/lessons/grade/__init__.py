"""Grading what students hand in: `python -m edgecl_lite.lessons.grade FOLDER`. For teachers.

Read folder.py (who handed in what), book.py (the table), then cells.py and names.py (which cells of
a notebook run), apart.py and inside.py (a student's code in a process of its own), marks.py and
anew.py (what an answer is worth). It holds out against accidents and clumsy tricks, not
against an attacker. Lesson: ewc.
"""
