"""The one exercise of start_here: average accuracy after the last task, to learn how `check` works.

A = (1/T) Σₖ R[T, k], the mean of the last row of R[after, on] (Lopez-Paz & Ranzato 2017, ACC;
Chaudhry et al. 2018, sec. 3).
"""

import numpy as np

from ... import metrics
from ..check import Wrong, exercise

THREE = [[0.9, 0.5, 0.2], [0.6, 0.8, 0.4], [0.3, 0.5, 0.7]]
TWO = [[0.9, 0.4], [0.2, 0.7]]

DIAGONAL = (
    "You took every month right after it was learned, before anything could be forgotten. "
    "Where does R keep what is still known at the very end?"
)
EVERYTHING = "You averaged over all moments. Only one of them is the end."
NEWEST = (
    "You asked about the newest month only, and that one is never forgotten. What about the others?"
)
OLD = "You left out the newest month. Forgetting is measured like that; this average counts every month."
COLUMN = (
    "You followed a single month through time: a column. We want a single moment, on all months. "
    "Which way do the rows of R go?"
)
FIRST = "You took the first row, what was known when only the first month had been learned."
SUM = "You have the right numbers. An average also divides."
FIXED = (
    "You divided by five whatever came. How many months are in the R that your function is given?"
)
PERCENT = "You have the right numbers, in per cent. Accuracies in this course go from 0 to 1."

exercise(
    "average",
    metrics.average_accuracy,
    probe=lambda f: (f(np.array(THREE)), f(np.array(TWO))),
    expects="0.5 for the first small R that was tried, 0.45 for the second",
    praise="However well the newest month goes, this number shows what it cost the others.",
    wrong=[
        Wrong("each month right after it was learned", lambda R: R.diagonal().mean(), DIAGONAL),
        Wrong("the mean of everything", lambda R: R.mean(), EVERYTHING),
        Wrong("the newest month alone", lambda R: R[-1, -1], NEWEST),
        Wrong("the old months alone", lambda R: R[-1, :-1].mean(), OLD),
        Wrong("the first month through time", lambda R: R[:, 0].mean(), COLUMN),
        Wrong("the last month through time", lambda R: R[:, -1].mean(), COLUMN),
        Wrong("the first row", lambda R: R[0].mean(), FIRST),
        Wrong("a sum", lambda R: R[-1].sum(), SUM),
        Wrong("always five months", lambda R: R[-1].sum() / 5, FIXED),
        Wrong("a percentage", lambda R: 100 * R[-1].mean(), PERCENT),
    ],
)
