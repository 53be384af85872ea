"""Exercises of catastrophic_forgetting: the plain loop, metrics of R, choose the scenario.

Each wrong answer is one that is met in the wild; backward transfer over T instead of T − 1 tasks,
and a metric that changes its argument, were both once released.
"""

from functools import partial

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ...models import initial, mlp
from ...streams import Stream, Task
from ..check import Wrong, exercise


def finetune(net, stream, shuffle, epochs=10, batch_size=32, lr=1e-3, *, mistake=None):
    """The loop of the lesson, with one of the mistakes of LOOPS. Returns R as a list of rows."""
    R, optimiser = [], torch.optim.Adam(net.parameters(), lr=lr)
    for task in stream:
        x, y = task.train
        if mistake != "one optimiser":
            optimiser = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(1 if mistake == "one epoch" else epochs):
            for pick in torch.randperm(len(y), generator=shuffle).split(batch_size):
                logits = net(x[pick])
                if mistake != "gradients pile up":
                    optimiser.zero_grad()
                logits = logits.softmax(-1) if mistake == "softmax twice" else logits
                cross_entropy(logits, y[pick]).backward()
                if mistake == "gradients thrown away":
                    optimiser.zero_grad()
                optimiser.step()
        with torch.no_grad():
            R.append(
                [(net(t.test[0]).argmax(1) == t.test[1]).float().mean().item() for t in stream]
            )
    return R


LOOPS = {
    "gradients pile up": "`backward` adds to the gradients that are there. What must happen before it?",
    "gradients thrown away": "The weights have not moved. What is left for `step` if `zero_grad` comes last?",
    "softmax twice": "`cross_entropy` takes the logits as they are: it has a softmax of its own.",
    "one optimiser": "A fair choice (`fresh=False` in `train`), but here every task has a new Adam.",
    "one epoch": "Each task is seen once only. Which loop is missing around the batches?",
}  # fmt: skip


def _trained(loop):
    """Weights and R after `loop` has run over two tasks of 12 images of 2 × 2 pixels in 3 classes."""
    x = torch.rand(2, 12, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    sets = [(part, torch.arange(12) % 3) for part in x]
    stream = Stream([Task(str(t), s, s, (0, 1, 2)) for t, s in enumerate(sets)], "domain", 3)
    net = mlp(stream, hidden=(4,))
    net.load_state_dict(initial(net, 0))
    R = loop(net, stream, torch.Generator().manual_seed(1), epochs=3, batch_size=5, lr=0.05)
    return torch.cat([*(p.detach().flatten() for p in net.parameters()), torch.tensor(R).flatten()])


exercise(
    "training loop", finetune, probe=_trained,
    wrong=[Wrong(name, partial(finetune, mistake=name), hint) for name, hint in LOOPS.items()],
    expects="the weights and the accuracies of plain finetuning on two tiny tasks",
    praise="This loop is what `train(Finetune(net), stream)` runs.",
)  # fmt: skip


def _of_R(function):
    """Results, and how far R was changed: column 0 has an early peak, column 2 is best in the last row."""
    R = np.array(
        [[0.8, 0.3, 0.1, 0.0], [0.9, 0.7, 0.2, 0.1], [0.5, 0.6, 0.6, 0.3], [0.4, 0.2, 0.65, 0.95]]
    )
    kept = R.copy()
    return [*np.atleast_1d(function(R)), np.abs(R - kept).max()]


def loss(R, was=lambda R: R[:-1].max(0), over=3, average=lambda R: R[-1].mean()):
    """(average accuracy, mean of what was − what is), with room for mistakes."""
    return average(R), (was(R) - R[-1])[:-1].sum() / over


def transfer(R, was=np.diagonal, over=3):
    return (R[-1] - was(R))[:-1].sum() / over


def overwriting(R):
    R[:-1] -= R[-1]
    return R[-1].mean(), R[:-1, :-1].max(0).mean()


FORGETTING = [
    ("just learned minus last", partial(loss, was=np.diagonal),
     "That is backward transfer with its sign turned. Which accuracy was the best before the end?"),
    ("divided by T", partial(loss, over=4), "Forgetting of the last task is not counted: how many are left?"),
    ("the last row counts as best", partial(loss, was=lambda R: R.max(0)),
     "With the last row among the candidates, forgetting could never be negative."),
    ("sign turned", partial(loss, over=-3), "Forgetting is a loss: positive where accuracy fell."),
    ("changes its argument", overwriting,
     "The numbers are right, but R is another one afterwards. Which line writes into it?"),
    ("mean of all of R", partial(loss, average=np.mean),
     "Average accuracy asks about the end: which row is that?"),
    ("mean of the diagonal", partial(loss, average=lambda R: R.diagonal().mean()),
     "The diagonal is what was just learned. What is left of it at the end?"),
]  # fmt: skip
TRANSFER = [
    ("divided by T", partial(transfer, over=4), "The last task always gives 0: how many terms are left?"),
    ("sign turned", partial(transfer, over=-3), "Negative means forgetting here: the end comes first."),
    ("last minus best", partial(transfer, was=lambda R: R[:-1].max(0)),
     "That is forgetting with its sign turned. Backward transfer asks about the diagonal."),
]  # fmt: skip
for name, right, wrong, value in (
    ("forgetting", loss, FORGETTING, "A = 0.55, F = 0.3167"),
    ("backward transfer", transfer, TRANSFER, "BWT = -0.2833"),
):
    expects = f"{value}, and last 0 (how far R itself was changed), for the R that was tried"
    exercise(name, right, probe=_of_R, wrong=[Wrong(*w) for w in wrong], expects=expects)

SCENARIOS = ("class", "domain", "task")
STORIES = {
    "the doorbell": "Does anybody say which group a face belongs to? Which faces may it name?",
    "the pump": "Do the answers change from season to season, or only the sound that they are given for?",
    "the glove": "The wearer says which instrument it is. Which of the outputs compete then?",
}
exercise(
    "scenario", SCENARIOS,
    wrong=[
        Wrong(f"{story}: {other}-incremental", (*SCENARIOS[:i], other, *SCENARIOS[i + 1 :]), hint)
        for i, (story, hint) in enumerate(STORIES.items()) for other in SCENARIOS if other != SCENARIOS[i]
    ],
    expects="'task', 'domain' or 'class' for each story, in this order; more than one is off",
    praise="Two questions decide: is the task told, and do the answers change?",
)  # fmt: skip
