"""A model for each client: the common one, and then some steps on the client's own samples.

Also each client alone, which is the same from a random start. Arivazhagan et al. 2019, Yu et al.
2020 (personalisation by local fine-tuning). Lesson: federated_learning.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..learn import evaluate
from ..machine.settled import settled
from ..method import Finetune
from .plan import FleetPlan
from .rounds import beginning
from .train import own_accuracy, personal


@dataclass(frozen=True)
class Personal:
    """A model for each client. params {name: (seeds · clients, …)}, the clients innermost.

    own (seeds, clients): accuracy on its own test samples; everybody (seeds, clients): on all
    clients' test samples.
    """

    params: dict
    own: np.ndarray
    everybody: np.ndarray


@settled
def personalise(method, clients, run=None, seeds=1, local_epochs=5, **options):
    """Train each client by itself, from the common model of a fleet's `Run`: `Personal`.

    run None: from the random start of each seed, each client alone. clients: `Clients`, whose
    samples are one task. Options: batch_size, lr, optimizer as for `federate`. Nothing is sent.
    """
    if run is not None:
        method, seeds = replace(method, weights=run), run.seeds
    plan = FleetPlan(method, clients, seeds, rounds=1, local_epochs=local_epochs, **options)
    params = personal(plan, beginning(plan), plan.total - 1)
    own = own_accuracy(plan, params, 0)[:, :, 0]
    everybody, _ = evaluate(Finetune(method.net), params, {}, plan.stream, 0)
    return Personal(params, own, everybody.reshape(plan.lanes, plan.members))
