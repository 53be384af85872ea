"""The exercise of online learning: the weight of a new batch where nobody counts the tasks."""

from ..check import Wrong, exercise

BATCHES = (  # labels of a batch, classes met before it
    ([4, 5, 4, 4], {0, 1, 2, 3}),
    ([4, 5, 4, 5, 5], {0, 1, 2, 3, 4, 5}),
    ([7, 7], {1, 7}),
    ([0, 1, 1], set()),
    ([2, 9, 3], {0, 2, 3, 5, 6, 7}),
)


def _weights(function):
    """The weight of each batch; -1 where it divides by zero."""

    def weight(labels, seen):
        try:
            return float(function(list(labels), set(seen)))
        except ZeroDivisionError:
            return -1.0

    return [weight(labels, seen) for labels, seen in BATCHES]


def _both(labels, seen):
    return len(set(labels) | set(seen))


# fmt: off
exercise("weight without k", lambda labels, seen: len(set(labels)) / _both(labels, seen),
         probe=_weights, expects="for labels [4, 5, 4, 4] after {0, 1, 2, 3} a third, for the first batch of all 1",
         praise="Every class met so far counts the same, and nobody had to say when a task began.", wrong=[
    Wrong("only the classes met before", lambda labels, seen: len(set(labels)) / len(seen),
          "A new class has been met, too, once it stands in the batch. What is the weight of the very first batch?"),
    Wrong("a class counted twice",
          lambda labels, seen: len(set(labels)) / (len(set(labels)) + len(seen)),
          "Some labels of the batch may be among those met before. How many classes are there together?"),
    Wrong("pictures, not classes", lambda labels, seen: len(labels) / _both(labels, seen),
          "Four pictures may show two classes only. How do you count each class once?"),
    Wrong("pictures on both sides", lambda labels, seen: len(labels) / (len(labels) + len(seen)),
          "That compares a number of pictures with a number of classes."),
    Wrong("the weight of the kept", lambda labels, seen: 1 - len(set(labels)) / _both(labels, seen),
          "The first batch of all has nothing to rehearse. Which weight should be 1 there?"),
    Wrong("one class a batch", lambda labels, seen: 1 / _both(labels, seen),
          "That is the weight of one class. How many does the batch hold?"),
    Wrong("always two classes", lambda labels, seen: 2 / _both(labels, seen),
          "Right for pairs. What if a batch holds sevens only?"),
    Wrong("equal halves", lambda labels, seen: 0.5,
          "After ten classes a batch of two then weighs as much as the other eight together."),
    Wrong("only what is new to it",
          lambda labels, seen: len(set(labels) - set(seen)) / _both(labels, seen),
          "In the second batch of a pair no class is new any more. Should it then weigh nothing?"),
])
