"""Meta-learning: a start from which few steps go a long way. Lesson: meta_learning.

Read inner.py, descent that can be differentiated, and five methods; then outer.py, the loop around
it. `follow` is for whoever watches it.
"""

from .outer import follow
