"""Twenty watches: ten people, each with one on the left arm and one on the right.

Lesson: federated_learning.
"""

from ..data.smartwatch import EXERCISES, smartwatch_by_client
from ..machine.settled import settled
from .members import Clients


@settled
def smartwatch_clients(exercises=7):
    """The smart watch's windows as 20 `Clients`, a wearer × an arm each: 69 to 160 to train.

    exercises: the first so many, such as six for pairs: `smartwatch_clients(6).split(2)`. Samples,
    source and errors as `smartwatch`.
    """
    names, train, test = smartwatch_by_client(exercises)
    return Clients("smart watches", train, test, EXERCISES[:exercises], names)
