"""The device: what a training takes of it in bytes, FLOPs, time and energy, and where it fits.

Read measure.py (the network), rules.py (each method, line by line), budget.py (both); then
boards.py, advice.py, energy.py; int8.py trains weights of one byte; export.py writes what a board
runs. Lesson: edge_budget. When the
power goes: flash.py, slots.py, power.py; wear.py, harvest.py. A year of its life: year.py (what
happens), when.py, strategy.py (what it does about it), session.py, living.py, life.py; windows.py,
worn.py, course.py and update.py are plumbing. Lesson: wrist.
"""
