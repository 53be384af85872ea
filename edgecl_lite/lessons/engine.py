"""A fleet on Flower where that is installed, and where not, as it was recorded: the same text.

`make fleet` records it, with what Flower cost, as `stored("fleet")`. Lesson: federated_learning.
"""

from .._refuse.engine import PINNED, check_called, check_flower
from ..fleet.messages import message
from ..fleet.plan import FleetPlan
from ..fleet.rounds import beginning, rounds
from ..lanes import lane
from ..learn import evaluate
from ..machine.records import digest
from ..machine.settled import settled
from ..method import Finetune
from .results import stored


@settled
def flower_rounds(method, clients, seed=0, **options):
    """Train a fleet on Flower in this process, print how it went, and hand that back as a dict.

    Without Flower it is what `make fleet` recorded of the same training. name, training: a digest
    of all it hangs on; accuracy [round][task] of the common model, from before the first round on;
    "bytes": of the arrays of one message [down, up], and "bytes of ours"; apart: the furthest that
    a weight ends from that of `fleet_train`. Options: see `FleetOptions`. Raises ImportError, with
    the line that installs Flower, where nothing is recorded of this training.
    """
    plan = check_called(FleetPlan(method, clients, [seed], **options))
    try:
        check_flower()
    except ImportError as missing:
        found = recorded(plan, missing)
    else:
        found = on_flower(plan, method, clients, seed, options)
    print(told(found))
    return found


def on_flower(plan, method, clients, seed, options):
    """What comes out on Flower; see `flower_rounds`."""
    from ..fleet.in_kernel import run_in_kernel

    accuracy = []

    def seen(step, theta):
        phase = plan.place(max(0, step - 1))[0]
        right = evaluate(Finetune(plan.method.net), theta, {}, plan.stream, phase)[0][0]
        accuracy.append([round(float(a), 4) for a in right])

    theta, sent = run_in_kernel(method, clients, seed, seen, **options)
    for turn in filter(None, rounds(plan, beginning(plan))):
        ours = turn.params
    return {
        **about(plan),
        "accuracy": accuracy,
        "bytes": list(sent[-1]),
        "bytes of ours": len(message(lane(ours, 0))),
        "apart": max((theta[k] - ours[k]).abs().max().item() for k in ours),
    }


def about(plan):
    """The name of a training, and a digest of all that it hangs on."""
    n, many = plan.members, plan.total
    name = f"{type(plan.method).__name__}, {n} clients, {many} rounds, {len(plan.stream)} tasks"
    data = [v for own in plan.stream.shares for parts in own for pair in parts for v in pair]
    return {"name": name, "training": digest(data, sorted(plan.settings.items()))}


def recorded(plan, missing):
    """What `make fleet` recorded of a training. ImportError, on what is missing, if nothing."""
    runs, own = stored("fleet")["runs"], about(plan)
    for run in runs:
        if run["training"] == own["training"]:
            return run
    names = "; ".join(run["name"] for run in runs)
    raise ImportError(f"{missing}. Recorded is only: {names}")


def told(found):
    """The text of a training on Flower."""
    lines = [f"Flower {PINNED}, in this process and without a socket: {found['name']}"]
    for step, right in enumerate(found["accuracy"]):
        each = ", ".join(f"{a:.2f} on task {on}" for on, a in enumerate(right, 1))
        lines.append(f"after round {step:2}: the common model gives {each}")
    down, up = found["bytes"]
    own = f"a message of ours {found['bytes of ours']:,}"
    lines.append(f"a client gets {down:,} bytes of arrays in a round and sends {up:,}; {own}")
    near = "less than" if found["apart"] < 1e-5 else "more than"
    lines.append(f"the largest difference of a weight from fleet_train: {near} 0.00001")
    return "\n".join(lines)
