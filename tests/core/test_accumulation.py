"""Gradient accumulation: the pieces of a batch give its very gradient, whatever the method minimises."""

from dataclasses import dataclass

import pytest
import torch
from small import DIGITS, STREAM, TOLD

from edgecl_lite import (
    AGEM,
    EWC,
    DERpp,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    LwF,
    NearestMean,
    OnlineEWC,
    PackNet,
    Piggyback,
    Replay,
    Separate,
    StreamingLDA,
    clients,
    cnn,
    federate,
    fleet_train,
    learn,
    mlp,
    rotated,
    smartwatch_clients,
    sweep,
    train,
    wrist_net,
)
from edgecl_lite.device.rules import RULES
from edgecl_lite.lanes import copied
from edgecl_lite.learn import beginning, steps, summed
from edgecl_lite.machine.step import pieces
from edgecl_lite.method import cross_entropy, masked, swept
from edgecl_lite.models import apply
from edgecl_lite.plan import Plan

NET, CONV = mlp(STREAM, hidden=(12, 8)), cnn(STREAM, channels=(3,))


def methods(net):
    """One of each method of the module, and frozen ones; tasks rehearse from the second on."""
    rehearse = [kind(net, capacity=20) for kind in (Replay, DERpp, GDumb, ICaRL)]
    rehearse += [Replay(net, capacity=20, weighting="equal"), Replay(net, capacity=20, policy="reservoir")]
    springs = [EWC(net, lam=500.0, samples=20), OnlineEWC(net, lam=500.0, samples=20)]
    latent = [LatentReplay(net, capacity=20, cut=len(net) - 1, frozen=f) for f in (False, True)]
    heads = [kind(net, frozen=f) for kind in (NearestMean, StreamingLDA) for f in (False, True)]
    masks = [Separate(net), Piggyback(net), PackNet(net)]
    return [Finetune(net), Joint(net), LwF(net, lam=2.0), *rehearse, *springs, *latent, *heads, *masks]


def named(method):
    told = [type(method).__name__, *(str(getattr(method, k, "")) for k in ("policy", "weighting", "frozen"))]
    return "-".join(filter(None, told))


def moments(method, stream, **options):
    """(params, state, batch) of every step of a training, as its loss gets them."""
    seen = []

    class Spied(type(method)):
        def loss(self, params, state, batch):
            seen.append((copied(params), state, batch))
            return super().loss(params, state, batch)

    spied = Spied.__new__(Spied)
    spied.__dict__.update(vars(method))
    plan = Plan(spied, stream, **options)
    for _ in steps(spied, plan, beginning(plan)):  # without the looks that a method of one's own gets
        pass
    return seen


def doubles(tree):
    """The floats of a nested dict in double precision, where rounding hides nothing."""
    if isinstance(tree, dict):
        return {k: doubles(v) for k, v in tree.items()}
    return tree.double() if torch.is_tensor(tree) and tree.is_floating_point() else tree


def gradient(method, params, state, batch, size):
    """(loss, {name: gradient}) of a batch, taken in pieces of `size` samples; None: at once."""
    params = {k: p.clone().requires_grad_() for k, p in params.items()}
    loss = summed(method, params, state, batch, size)
    return loss, {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in params.items()}


def apart(a, b):
    """The largest difference of two gradients, relative to the largest entry of the first."""
    largest = max(g.abs().max() for g in a.values()).clamp(min=1e-3)
    return max((a[k] - b[k]).abs().max() for k in a) / largest


EVERY = [*methods(NET), *methods(CONV)]


@pytest.mark.parametrize("stream", [STREAM, TOLD], ids=["class", "task"])
@pytest.mark.parametrize("which", range(len(EVERY)))
def test_pieces_give_the_gradient_of_the_whole(which, stream):
    """Every method, from its first step to rehearsal, springs and masks, two lanes, pieces of any size."""
    method = EVERY[which]
    if type(method) is ICaRL and stream is TOLD:
        pytest.skip("iCaRL is for class-incremental streams")
    seen = moments(method, stream, seeds=2, steps=2, batch_size=10)
    for step in (0, 2, 9):
        given = seen[step]
        loss, whole = gradient(method, *given, None)
        (total, sum_), exact = gradient(method, *given, 4), [*map(doubles, given)]
        assert apart(whole, sum_) < 1e-6 and torch.allclose(loss, total, rtol=1e-5), named(method)
        want = gradient(method, *exact, None)[1]
        for size in (1, 3, 99):
            assert apart(want, gradient(method, *exact, size)[1]) < 1e-12, (named(method), size)


def test_each_method_is_tried_or_refused():
    assert {type(method) for method in EVERY} | {AGEM} == set(RULES)
    assert [kind for kind in RULES if kind.indivisible] == [AGEM]


def test_rehearsal_and_springs_were_really_there():
    """What the test above looks at: kept samples in the batch, and a pull of the springs."""
    *_, (params, state, batch) = moments(Replay(NET, capacity=20), STREAM, steps=2, batch_size=10)
    assert batch["old"]["y"].shape == batch["y"].shape == (1, 10)
    *_, (params, state, batch) = moments(EWC(NET, lam=500.0, samples=20), STREAM, steps=2, batch_size=10)
    with_springs = gradient(EWC(NET), params, state, batch, 4)[1]
    without = gradient(Finetune(NET), params, state, batch, 4)[1]
    assert apart(without, with_springs) > 1e-3


def test_weights_by_samples_matter():
    """Known wrong: a plain mean over pieces of unequal size, and a sum over them."""
    params, state, batch = moments(Finetune(NET), STREAM, steps=1, batch_size=10)[0]
    whole = gradient(Finetune(NET), params, state, batch, None)[1]
    few = [piece for _, piece in pieces(batch, 4)]
    assert [len(piece["y"][0]) for piece in few] == [4, 4, 2]
    each = [gradient(Finetune(NET), params, state, piece, None)[1] for piece in few]
    for share in (1 / 3, 1):
        wrong = {k: sum(share * g[k] for g in each) for k in whole}
        assert apart(whole, wrong) > 1e-2


def test_the_shares_sum_to_one_and_no_sample_is_lost():
    x = torch.arange(14).view(2, 7)
    batch = {"x": x, "y": x, "answers": x, "task": 3, "old": {"y": -x, "row": x, "short": x[:, :5]}}
    for size in (1, 2, 3, 6, 7, 8, None):
        shares, cut = zip(*pieces(batch, size), strict=True)
        assert abs(sum(shares) - 1) < 1e-15 and max(len(piece["y"][0]) for piece in cut) <= (size or 7)
        assert torch.equal(torch.cat([piece["y"] for piece in cut], 1), x)
        assert torch.equal(torch.cat([piece["old"]["y"] for piece in cut], 1), -x)
        for piece in cut:  # a table of tasks is none of samples, nor is what has other rows
            assert piece["answers"] is x and piece["task"] == 3
            assert torch.equal(piece["old"]["short"], x[:, :5])


# ---- in a training


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_training_in_pieces_is_the_same_training(optimizer):
    """To rounding, whole and in lanes that do not all go through a step together."""
    method = Replay(CONV, capacity=20)
    options = dict(seeds=2, epochs=1, lr=1e-2, batch_size=10, optimizer=optimizer, progress=False)
    whole, cut = (train(method, STREAM, micro_batch=size, **options) for size in (None, 3))
    for k, p in whole.params.items():
        assert torch.allclose(p, cut.params[k], atol=2e-3), k
    assert all(torch.equal(v, cut.state[k]) for k, v in whole.state.items())  # the dice fell alike
    assert abs(whole.accuracy[:, -1] - cut.accuracy[:, -1]).max() < 0.05


def test_a_batch_is_drawn_once_and_one_step_is_made():
    drawn, stepped, sizes = [], [], []

    class Counting(Finetune):
        def draw(self, state, batch, rng):
            drawn.append(batch["y"].shape[1])
            return batch

        def loss(self, params, state, batch):
            sizes.append(batch["y"].shape[1])
            return super().loss(params, state, batch)

        def after_step(self, params, state, batch):
            stepped.append(batch["y"].shape[1])
            return state

    train(Counting(NET), STREAM, steps=2, batch_size=9, micro_batch=4, progress=False)
    assert drawn == stepped == [9] * 10 and sizes == [4, 4, 1, 9] * 10  # 9: the look at the whole


def test_lanes_and_pieces_are_cut_apart():
    plan = Plan(Replay(NET, capacity=20), STREAM, seeds=5, steps=2, batch_size=10, micro_batch=4)
    plan.parts = [slice(0, 2), slice(2, 5)]
    *_, apart_ = steps(plan.verbs, plan, beginning(plan))
    plan.parts = [slice(None)]
    *_, at_once = steps(plan.verbs, plan, beginning(plan))
    assert apart_.loss.shape == (5,)
    for k, p in at_once.params.items():
        assert torch.allclose(p, apart_.params[k], atol=1e-5)


def test_a_sweep_and_a_journal_go_in_pieces(tmp_path):
    options = dict(steps=4, batch_size=8, micro_batch=3, progress=False)
    run = sweep(EWC(NET, samples=20), STREAM, seeds=2, lam=[0, 10], **options)
    assert run.settings["micro_batch"] == 3 and run.accuracy.shape[:2] == (2, 2)
    path = tmp_path / "night.journal"
    whole = train(EWC(NET, samples=20), STREAM, journal=path, **options)
    again = train(EWC(NET, samples=20), STREAM, resume=path, **options)
    assert all(torch.equal(p, again.params[k]) for k, p in whole.params.items())
    with pytest.raises(ValueError, match="its micro_batch is 3, here it is None"):
        train(EWC(NET, samples=20), STREAM, resume=path, **{**options, "micro_batch": None})


@pytest.mark.parametrize("mu", [0.0, 0.5])
def test_a_fleet_goes_in_pieces(mu):
    few = smartwatch_clients()
    method = Finetune(wrist_net(few.whole, channels=(4, 4)))
    options = dict(rounds=2, local_epochs=1, lr=0.05, optimizer="sgd", mu=mu, fraction=0.5)
    whole, cut = (fleet_train(method, few, micro_batch=size, progress=False, **options) for size in (None, 5))
    for k, p in whole.params.items():
        assert torch.allclose(p, cut.params[k], atol=1e-5), k
    assert cut.settings["micro_batch"] == 5


# ---- methods of the reader's own


@dataclass(frozen=True, repr=False)
class Pull(Finetune):
    """A mean over samples, and a penalty that no sample changes."""

    lam: float = swept(1.0)

    def loss(self, params, state, batch):
        pull = sum(p.flatten(1).square().sum(1) for p in params.values())
        return super().loss(params, state, batch) + state["lam"] * pull


@dataclass(frozen=True, repr=False)
class Sum(Finetune):
    """No mean: the more samples, the larger."""

    def loss(self, params, state, batch):
        return super().loss(params, state, batch) * batch["y"].shape[1]


@dataclass(frozen=True, repr=False)
class Hardest(Finetune):
    """No mean: only the worst sample of a batch counts."""

    def loss(self, params, state, batch):
        logits = masked(apply(self.net, params, batch["x"]), batch["active"])
        each = [cross_entropy(logits[:, [i]], batch["y"][:, [i]]) for i in range(batch["y"].shape[1])]
        return torch.stack(each).amax(0)


@dataclass(frozen=True, repr=False)
class Said(Hardest):
    indivisible = "only the worst sample of a batch counts"


def test_a_method_of_ones_own_goes_in_pieces():
    whole, cut = (
        train(Pull(NET), STREAM, steps=3, optimizer="sgd", micro_batch=size, progress=False)
        for size in (None, 5)
    )
    assert all(torch.allclose(p, cut.params[k], atol=1e-6) for k, p in whole.params.items())


@pytest.mark.parametrize("kind", [Sum, Hardest])
def test_one_that_is_no_mean_is_found_out(kind):
    words = f"{kind.__name__}.loss cannot be taken in pieces: of a batch it is .*, of its 3 pieces together"
    with pytest.raises(TypeError, match=words):
        list(learn(kind(NET), STREAM, steps=2, batch_size=10, micro_batch=4))
    list(learn(kind(NET), STREAM, steps=2, batch_size=10))
    few = clients(DIGITS, 3)
    with pytest.raises(TypeError, match=words.replace("3 pieces", ".* pieces")):
        list(federate(kind(mlp(few.whole, hidden=(5,))), few, rounds=1, batch_size=10, micro_batch=4))


@pytest.mark.parametrize("method", [AGEM(NET, capacity=20), Said(NET)], ids=["AGEM", "Said"])
def test_what_cannot_be_cut_is_refused_by_name(method):
    words = f"{type(method).__name__} takes no micro_batch: .*; take a smaller batch_size. Got micro_batch=4"
    with pytest.raises(ValueError, match=words):
        train(method, STREAM, micro_batch=4)
    train(method, STREAM, steps=1, progress=False)


def test_a_gem_in_pieces_would_be_another_method():
    """Why it is refused: projected piece by piece, the step is another one."""
    method = AGEM(mlp(rotated(DIGITS), hidden=(8,)), capacity=20)
    worst = 0
    for given in moments(method, rotated(DIGITS), steps=8, batch_size=10, lr=0.05, optimizer="sgd")[8:]:
        worst = max(worst, apart(gradient(method, *given, None)[1], gradient(method, *given, 2)[1]))
    assert worst > 1e-2


@pytest.mark.parametrize(
    "size, error", [(0, ValueError), (-1, ValueError), (2.5, ValueError), ("4", TypeError)]
)
def test_sizes_that_are_none_are_refused(size, error):
    with pytest.raises(error, match=f"micro_batch must be a whole number >= 1, got {size!r}"):
        train(Finetune(NET), STREAM, micro_batch=size)
