"""The device: what a training takes of it in bytes, FLOPs, time and energy, and where it fits.

Read measure.py (the network), rules.py (each method, line by line), budget.py (both); then
boards.py, advice.py, energy.py; int8.py trains weights of one byte; export.py writes what a board
runs. Lesson: edge_budget.
"""
