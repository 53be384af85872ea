"""What is refused before a training, or as soon as it shows.

Every message says what was expected, what came, and a way that works. Functions that raise or
return nothing; left out of the reading paths. Read arguments.py (numbers and lists), nets.py (a
network of one's own), optimizers.py, verbs.py (a method of one's own), samples.py, given.py and
mend.py (data of one's own). No lesson derives them.
"""
