"""Federated continual learning: many devices learn together, and none hands out its data.

Read members.py (who has which data), server.py (what becomes of the reports), local.py (a round on
the clients: lanes of the one training loop), rounds.py (the loop over rounds), train.py (what is
seen of it); then privacy.py. Lesson: federated_learning.
"""
