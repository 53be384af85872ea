"""Exercises of catastrophic_forgetting and scenarios: the plain loop, metrics of R, who may answer.

Each wrong answer is one that is met in the wild; backward transfer over T instead of T − 1 tasks,
and a metric that changes its argument, were both once released.
"""

import re
from functools import partial

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from ...models import initial, mlp
from ...streams import Stream, Task
from ..check import Wrong, exercise


def finetune(net, stream, shuffle, epochs=10, batch_size=32, lr=1e-3, *, mistake=None):
    """The loop of the lesson, with one of the mistakes of LOOPS. Returns R as a list of rows."""
    kind = torch.optim.SGD if mistake == "plain SGD" else torch.optim.Adam
    if mistake == "the rate is not used":
        lr = 1e-3
    R, optimiser = [], kind(net.parameters(), lr=lr)
    for task in stream:
        x, y = task.test if mistake == "learns the test images" else task.train
        if mistake != "one optimiser":
            optimiser = kind(net.parameters(), lr=lr)
        for epoch in range(1 if mistake == "one epoch" else epochs):
            if mistake != "one shuffle a task" or epoch == 0:
                order = torch.randperm(len(y), generator=shuffle)
            for pick in order.split(batch_size):
                logits = net(x[pick])
                if mistake != "gradients pile up":
                    optimiser.zero_grad()
                logits = logits.softmax(-1) if mistake == "softmax twice" else logits
                cross_entropy(logits, y[pick]).backward()
                if mistake == "gradients thrown away":
                    optimiser.zero_grad()
                optimiser.step()
        part = "train" if mistake == "tested on training images" else "test"
        R.append(_row(net, stream, part))
    return list(zip(*R)) if mistake == "rows and columns exchanged" else R


@torch.no_grad()
def _row(net, stream, part):
    """Accuracy of `net` on "train" or "test" of every task."""
    sets = [getattr(task, part) for task in stream]
    return [(net(x).argmax(1) == y).float().mean().item() for x, y in sets]


LOOPS = {
    "gradients pile up": "`backward` adds to the gradients that are there. What must happen before it?",
    "gradients thrown away": "The weights have not moved. What is left for `step` if `zero_grad` comes last?",
    "softmax twice": "`cross_entropy` takes the logits as they are: it has a softmax of its own.",
    "one optimiser": "A fair choice (`fresh=False` in `train`), but here every task has a new Adam.",
    "one epoch": "Each task is seen once only. Which loop is missing around the batches?",
    "one shuffle a task": "Every epoch has an order of its own. Where does `randperm` stand?",
    "plain SGD": "A fair choice (`optimizer=\"sgd\"` in `train`), but here the optimiser is Adam.",
    "the rate is not used": "The optimiser has another rate than `lr`. What is it given?",
    "learns the test images": "The network was trained on `task.test`. What is a test worth then?",
    "tested on training images": "The weights are right. On which images does R ask?",
    "rows and columns exchanged": "The numbers are right, in the wrong places: `R[after, on]` has a row for each moment.",
}  # fmt: skip


def _trained(loop):
    """Weights and R after `loop` has run over two tasks that can be learned, of other test images.

    Three classes of 2 × 2 pixels, one bright pixel each; in the second task these have moved on.
    """
    dice = torch.Generator().manual_seed(0)
    sets = [[_bright(n, move, dice) for n in (21, 16)] for move in (0, 1)]
    tasks = [Task(str(t), *parts, (0, 1, 2)) for t, parts in enumerate(sets)]
    net = mlp(stream := Stream(tasks, "domain", 3), hidden=(6,))
    net.load_state_dict(initial(net, 0))
    R = loop(net, stream, torch.Generator().manual_seed(1), epochs=4, batch_size=5, lr=0.03)
    R = torch.tensor([[float(a) for a in row] for row in R])
    return {"weights": [p.detach() for p in net.parameters()], "R": R}


def _bright(n, move, dice):
    """n noisy images (n, 1, 2, 2) in 3 classes, and their classes."""
    y = torch.arange(n) % 3
    x = 0.6 * torch.rand(n, 4, generator=dice)
    x[torch.arange(n), (y + move) % 4] += 0.4
    return x.view(n, 1, 2, 2), y


exercise(
    "training loop", finetune, probe=_trained,
    wrong=[Wrong(name, partial(finetune, mistake=name), hint) for name, hint in LOOPS.items()],
    expects="the weights and the accuracies of plain finetuning on two tiny tasks",
    praise="This loop is what `train(Finetune(net), stream)` runs.",
)  # fmt: skip


FOUR = [[0.8, 0.3, 0.1, 0.0], [0.9, 0.7, 0.7, 0.1], [0.5, 0.6, 0.6, 0.3], [0.4, 0.8, 0.65, 0.95]]
THREE = [[0.9, 0.5, 0.2], [0.6, 0.8, 0.4], [0.3, 0.5, 0.7]]


def _of_R(function):
    """Results of two R, the second so that no divisor is known beforehand, and how far R was changed.

    In FOUR column 0 is best before the end but after its task, column 1 in the last row, column 2
    before its task.
    """
    found = []
    for R in map(np.array, (FOUR, THREE)):
        kept = R.copy()
        found += [*np.atleast_1d(function(R)), np.abs(R - kept).max()]
    return found


def _less_one(R):
    return len(R) - 1


def loss(R, was=lambda R: R[:-1].max(0), over=_less_one, average=lambda R: R[-1].mean()):
    """(average accuracy, mean of what was − what is), with room for mistakes."""
    return average(R), (was(R) - R[-1])[:-1].sum() / over(R)


def transfer(R, was=np.diagonal, over=_less_one):
    return (R[-1] - was(R))[:-1].sum() / over(R)


def overwriting(R):
    R[:-1] -= R[-1]
    return R[-1].mean(), R[:-1, :-1].max(0).mean()


def since_learned(R):
    return np.array([R[k:-1, k].max() if k < len(R) - 1 else R[-1, k] for k in range(len(R))])


FIXED = "You divided by the same number whatever came. How many tasks are in the R that is given?"
FORGETTING = [
    ("just learned minus last", partial(loss, was=np.diagonal),
     "That is backward transfer with its sign turned. Which accuracy was the best before the end?"),
    ("best since it was learned", partial(loss, was=since_learned),
     "The maximum is over all rows before the end: a task can be best before it is learned, too."),
    ("divided by T", partial(loss, over=len), "Forgetting of the last task is not counted: how many are left?"),
    ("always divided by three", partial(loss, over=lambda R: 3), FIXED),
    ("always divided by four", partial(loss, over=lambda R: 4), FIXED),
    ("the last row counts as best", partial(loss, was=lambda R: R.max(0)),
     "With the last row among the candidates, forgetting could never be negative."),
    ("sign turned", partial(loss, over=lambda R: 1 - len(R)), "Forgetting is a loss: positive where accuracy fell."),
    ("changes its argument", overwriting,
     "The numbers are right, but R is another one afterwards. Which line writes into it?"),
    ("mean of all of R", partial(loss, average=np.mean),
     "Average accuracy asks about the end: which row is that?"),
    ("mean of the diagonal", partial(loss, average=lambda R: R.diagonal().mean()),
     "The diagonal is what was just learned. What is left of it at the end?"),
]  # fmt: skip
TRANSFER = [
    ("divided by T", partial(transfer, over=len), "The last task always gives 0: how many terms are left?"),
    ("always divided by three", partial(transfer, over=lambda R: 3), FIXED),
    ("always divided by four", partial(transfer, over=lambda R: 4), FIXED),
    ("sign turned", partial(transfer, over=lambda R: 1 - len(R)), "Negative means forgetting here: the end comes first."),
    ("last minus best", partial(transfer, was=lambda R: R[:-1].max(0)),
     "That is forgetting with its sign turned. Backward transfer asks about the diagonal."),
]  # fmt: skip
for name, right, wrong, value in (
    (
        "forgetting",
        loss,
        FORGETTING,
        "A = 0.7, F = 0.15 for the first R that was tried, A = 0.5, F = 0.45",
    ),
    (
        "backward transfer",
        transfer,
        TRANSFER,
        "BWT = -0.0833 for the first R that was tried, -0.45",
    ),
):
    expects = f"{value} for the second, and R itself unchanged (0 after each)"
    exercise(name, right, probe=_of_R, wrong=[Wrong(*w) for w in wrong], expects=expects)


SCENARIOS = ("class", "domain", "task", "class", "task", "domain", "class")
STORIES = {
    "the doorbell": "Does anybody say which group a face belongs to? Which faces may it name?",
    "the pump": "Do the answers change from season to season, or only the sound that they are given for?",
    "the glove": "The wearer says which instrument it is. Which of the outputs compete then?",
    "the glove without its knob": "Nobody says drum or flute any more. How many gestures compete?",
    "the belt": "Good and bad have outputs of their own for apples and for pears. Who says which fruit it is?",
    "the watch": "Do the answers change from wearer to wearer? Does anybody say who wears it?",
    "the radio": "The month is guessed, not told. Who pays for a wrong guess?",
}
KINDS = ("task", "domain", "class")


def _kinds(answer):
    """Seven of KINDS, from words in any collection, or in one text; "task-incremental" is "task"."""
    if callable(answer):
        raise NotImplementedError
    words = answer.values() if isinstance(answer, dict) else answer
    words = re.split(r"[,;\s]+", words.strip()) if isinstance(words, str) else list(words)
    return tuple(str(word).strip().lower().partition("-")[0] for word in words)


exercise(
    "scenario", SCENARIOS, probe=_kinds,
    wrong=[
        Wrong(f"{story}: {other}-incremental", (*SCENARIOS[:i], other, *SCENARIOS[i + 1 :]), hint)
        for i, (story, hint) in enumerate(STORIES.items()) for other in KINDS if other != SCENARIOS[i]
    ],
    expects="'task', 'domain' or 'class' for each of the seven, in this order; more than one is off",
    praise="Two questions decide: is the task told, and do the answers change?",
)  # fmt: skip


def who_answers(pairs, scenario, active, now, on, *, mistake=None):
    """Outputs that may answer, with one of the mistakes of RULES."""
    if mistake == "a mask":
        may = who_answers(pairs, scenario, active, now, on)
        return [output in may for output in range(10)]
    seen = pairs[: now + 1]
    if scenario == "task":
        return set(pairs[now] if mistake == "the newest task" else pairs[on])
    if scenario == "domain":
        return set(pairs[on]) if mistake == "the pair's own digits" else {0, 1}
    if mistake == "the task is told":
        return set(pairs[on])
    if mistake == "counted, not looked up":
        return set(range(2 * len(pairs if active == "all" else seen)))
    if mistake == "the newest is left out":
        seen = pairs[:now]
    if mistake == "the newest alone":
        seen = pairs[now : now + 1]
    every = {"always all": True, "never all": False}.get(mistake, active == "all")
    return {digit for pair in (pairs if every else seen) for digit in pair}


RULES = {
    "a mask": "True and False are read as outputs 1 and 0: give the numbers of those that may answer.",
    "the newest task": "Task-incrementally somebody says which task the *image* belongs to: `now` or `on`?",
    "the pair's own digits": "Domain-incrementally all tasks share two outputs. What are their numbers?",
    "the task is told": "Class-incrementally nobody says `on`. What is left to go by?",
    "counted, not looked up": "The pairs may come in any order. Which digits do they hold?",
    "the newest is left out": "Task `now` has been learned already: are its digits seen?",
    "the newest alone": "Seen so far: is that the newest pair only?",
    "always all": 'With `active="seen"` the digits of tasks to come may not answer yet.',
    "never all": 'With `active="all"` every digit of the stream may answer from the first task on.',
}


def _answers(rule):
    """What may answer in every case of a stream of three pairs, sorted."""
    pairs = [(7, 3), (1, 8), (5, 0)]
    ways = ("task", "seen"), ("domain", "seen"), ("class", "seen"), ("class", "all")
    cases = [(way, now, on) for way in ways for now in range(3) for on in range(3)]
    found = [rule(list(pairs), *way, now, on) for way, now, on in cases]
    return [sorted({int(output) for output in outputs}) for outputs in found]


exercise(
    "may answer", who_answers, probe=_answers,
    wrong=[Wrong(name, partial(who_answers, mistake=name), hint) for name, hint in RULES.items()],
    expects="the numbers of the outputs in each scenario, for every `now` and `on`",
    praise="Only the task-incremental rule looks at `on`.",
)  # fmt: skip


def surgery(now, old, rows, *, mistake=None):
    """`now` with rows of the output layer from `old`, with one of the mistakes of CUTS."""
    if mistake == "the other way round":
        now, old = old, now
    mended = now if mistake == "changes its argument" else {k: p.clone() for k, p in now.items()}
    names = {"the bias is left": ["3.weight"], "the first layer, too": list(now)}
    for name in names.get(mistake, ["3.weight", "3.bias"]):
        if mistake == "the whole layer":
            mended[name] = old[name]
        elif mistake == "lanes for rows":
            mended[name][rows] = old[name][rows]
        else:
            mended[name][:, rows] = old[name][:, rows]
    return mended


CUTS = {
    "the bias is left": "A row has a bias, too. Which tensor holds it?",
    "the first layer, too": "Only the output layer is operated on.",
    "the whole layer": "Only these rows: the others stay as they are in `now`.",
    "lanes for rows": "Axis 0 is the lane, one for each seed. Which axis holds the outputs?",
    "the other way round": "It is `now` that is mended, with a part of `old`.",
    "changes its argument": "The numbers are right, but `now` is another one afterwards. What makes a copy?",
}


def _mended(cut):
    """The mended weights of two operations, and how far the arguments were changed."""
    dice, found = torch.Generator().manual_seed(0), []
    shapes = {"1.weight": (4, 5, 3), "1.bias": (4, 5), "3.weight": (4, 4, 5), "3.bias": (4, 4)}
    for rows in ([0, 2], [3]):
        now, old = ({k: torch.rand(s, generator=dice) for k, s in shapes.items()} for _ in "ab")
        kept = [p.clone() for tree in (now, old) for p in tree.values()]
        mended = {**cut(now, old, rows)}
        after = [p for tree in (now, old) for p in tree.values()]
        changed = max((a - b).abs().max().item() for a, b in zip(kept, after))
        found.append({**mended, "changed": changed})
    return found


exercise(
    "put back", surgery, probe=_mended,
    wrong=[Wrong(name, partial(surgery, mistake=name), hint) for name, hint in CUTS.items()],
    expects="a dict like `now`, these rows of its output layer from `old`, and neither changed",
    praise="The lesson operates with your function.",
)  # fmt: skip
