"""What each method needs beside the network, line by line: one rule a method.

    Replay    M (⌈s q / 8⌉ + 1) bytes   M samples of s values, q bits   DER++ adds 4 K, K outputs
    EWC       8 P bytes                 F and θ*, a float a weight      Piggyback ⌈P / 8⌉ a task

Every rule is tested against what the method really keeps, and against the FLOPs that its loss
really takes. Two take more here than a device needs: A-GEM forms both gradients twice, GDumb also
passes the new batch. A method of your own: RULES[YourMethod] = function(budget) -> Need.
Lesson: edge_budget.
"""

import math
from dataclasses import dataclass, field, replace

from ..method import Finetune, Joint
from ..methods import (
    AGEM,
    EWC,
    DERpp,
    GDumb,
    ICaRL,
    LatentReplay,
    LwF,
    NearestMean,
    OnlineEWC,
    PackNet,
    Piggyback,
    Replay,
    Separate,
    StreamingLDA,
)

RAM, FLASH = "RAM", "flash"


@dataclass(frozen=True)
class Need:
    """What a rule says of a method.

    trained: (weights, tensors) that get a gradient; stored: weights that flash must hold, of w
    bytes each; activations: bytes; forward, backward, extra: FLOPs of a step; task, sample: FLOPs
    once a task, and once for every new sample; answer: FLOPs of the first answer after new samples,
    beyond the network's own; moved: how many weights a step moves, if not all that are trained;
    first: FLOPs of a step of the first task, where that trains a front which then stands still.
    keeps: {what: bytes} from task to task, in flash unless every sample changes it; works: {what:
    bytes} of RAM while training.
    """

    trained: tuple
    stored: int
    activations: int
    forward: int
    backward: int
    extra: int = 0
    task: int = 0
    sample: int = 0
    answer: int = 0
    moved: int | None = None
    first: int = 0
    keeps: dict = field(default_factory=dict)
    where: str = FLASH
    works: dict = field(default_factory=dict)


def _finetune(c, passes=1):
    net, n = c.net, passes * c.batch_size
    kept = passes * net.activations(c.piece)
    return Need(net.learns, net.weights, kept, n * net.forward, n * net.backward)


def _joint(c):
    n = c.arrivals[-1].sum().item()
    return replace(_finetune(c), keeps={"samples": n * c.stream.pixels, "their labels": n})


def _ewc(c):
    net, n = c.net, min(c.method.samples or c.largest, c.largest)
    answers = c.answers if c.method.labels == "exact" else 1
    return replace(
        _finetune(c),
        keeps={"Fisher F": 4 * net.learns[0], "anchor θ*": 4 * net.learns[0]},
        works={"force of the springs": 4 * net.learns[0]},
        extra=4 * net.learns[0],
        task=n * (net.forward + answers * net.backward),
    )


def _lwf(c):  # the network of before passes forward only
    need = _finetune(c)
    before = {"network of before": c.weight_bytes * c.net.weights}
    return replace(need, forward=2 * need.forward, keeps=before)


def _replay(c, passes=2):
    return replace(_finetune(c, passes), keeps=c.memory(c.stream.pixels))


def _derpp(c):
    logits = {"their logits": 4 * c.outputs * c.kept_rows}
    need = _replay(c, passes=3)
    return replace(need, keeps={**need.keeps, **logits}, task=c.kept_rows * c.net.forward)


def _agem(c):  # one gradient after the other: only one set of activations at a time
    P = c.net.learns[0]
    works = {"gradient of the kept": 4 * P}
    kept = c.net.activations(c.piece)
    return replace(_replay(c), activations=kept, works=works, extra=6 * P)


def _gdumb(c):
    return replace(_finetune(c), keeps=c.memory(c.stream.pixels))


def _icarl(c):
    need, P, d = _replay(c), c.net.weights, c.head_weights // c.outputs - 1
    share = c.hyper["capacity"] // max(1, c.seen)
    works = {"network of before": c.weight_bytes * P, "means of the exemplars": 4 * c.outputs * d}
    twice = 2 * need.forward  # what the network of before answers is distilled
    task = c.largest * (c.net.forward + 2 * share * d)
    return replace(need, forward=twice, task=task, works=works)


def _front(c, trained, activations, **more):
    """Behind a front that stands still; one that the first task trains sets the peak of RAM."""
    more = {"forward": 0, "backward": 0, "works": {"buffers of the front": c.front.widest}, **more}
    if not c.method.frozen:
        first = c.batch_size * (c.net.forward + c.net.backward)
        more |= {"moved": trained[0], "first": first}
        trained = c.net.learns
        activations = max(activations, c.net.activations(c.piece))
    return Need(trained, c.net.weights, activations, **more)


def _latent(c):
    head, twice = c.head, 2 * c.batch_size
    return _front(
        c,
        head.learns,
        2 * head.activations(c.piece),
        forward=c.batch_size * c.front.forward + twice * head.forward,
        backward=twice * head.backward,
        keeps={**c.memory(c.front.outputs), "scale": 8 * c.front.outputs},
    )


def _mean(c):
    d = c.front.outputs
    keeps = {"class means": 4 * c.seen * d, "counts": 4 * c.seen}
    need = _front(c, (0, 0), 0, keeps=keeps, where=RAM, sample=c.front.forward + 2 * d)
    return replace(need, stored=c.front.weights) if c.method.frozen else need


def _lda(c):
    need, d = _mean(c), c.front.outputs
    works = dict(need.works)
    if c.method.frozen:  # a front that had to learn leaves the room for Λ
        works["Λ, to answer"] = 4 * d * d
    keeps = {**need.keeps, "scatter Σ": 4 * d * d}
    answer = d**3 + 2 * c.seen * d * d  # Λ by the root of a symmetric matrix, and μᵀΛ
    counted = {"sample": need.sample + 2 * d * d, "answer": answer}
    return replace(need, keeps=keeps, works=works, **counted)


def _separate(c):
    own = len(c.stream) * (c.net.weights - c.head_weights) + c.heads
    return replace(_finetune(c), stored=0, keeps={"a network for each task": c.weight_bytes * own})


def _piggyback(c):
    # the first task trains the backbone and needs no mask, unless a backbone was given
    masked_tasks = len(c.stream) - (not c.method.backbone)
    masks, hidden = masked_tasks * math.ceil(c.masked / 8), c.net.weights - c.head_weights
    trained = c.net.weights, c.net.tensors
    if c.method.backbone:
        trained = c.masked + c.head_weights, sum(p.dim() > 1 for p in c.method.net.parameters()) + 1
    return replace(
        _finetune(c),
        trained=trained,
        stored=hidden,
        keeps={"masks": masks, "an output layer for each task": c.weight_bytes * c.heads},
        works={"scores, being floats": (4 - c.weight_bytes) * c.masked},
    )


def _packnet(c):
    owner = math.ceil(c.masked * (len(c.stream).bit_length() or 1) / 8)
    heads = c.weight_bytes * c.heads
    keeps = {"owner of each weight": owner, "an output layer for each task": heads}
    return replace(_finetune(c), stored=c.net.weights - c.head_weights, keeps=keeps)


RULES = {
    Finetune: _finetune,
    Joint: _joint,
    EWC: _ewc,
    OnlineEWC: _ewc,
    LwF: _lwf,
    Replay: _replay,
    DERpp: _derpp,
    AGEM: _agem,
    GDumb: _gdumb,
    ICaRL: _icarl,
    LatentReplay: _latent,
    NearestMean: _mean,
    StreamingLDA: _lda,
    Separate: _separate,
    Piggyback: _piggyback,
    PackNet: _packnet,
}
