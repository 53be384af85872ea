"""A method is a frozen dataclass: it shows what it was given, compares by value, and never changes."""

from dataclasses import FrozenInstanceError, dataclass, replace
from inspect import signature

import pytest
import torch
from torch.nn import functional as F

import edgecl_lite as cl
from edgecl_lite.lanes import copied
from edgecl_lite.method import cross_entropy, masked

STREAM = cl.split(cl.digits())
NET = cl.mlp(STREAM, hidden=(8,))
KINDS = [
    cl.Finetune, cl.Joint, cl.EWC, cl.OnlineEWC, cl.Replay, cl.DERpp, cl.AGEM, cl.GDumb, cl.LatentReplay,
    cl.ICaRL, cl.LwF, cl.Separate, cl.Piggyback, cl.PackNet, cl.NearestMean, cl.StreamingLDA,
]  # fmt: skip
ORDER = {  # of the arguments that may be given by position
    cl.EWC: ["lam", "samples", "labels"],
    cl.Replay: ["capacity", "policy", "weighting", "bits"],
    cl.DERpp: ["capacity", "alpha", "beta", "policy", "bits"],
    cl.AGEM: ["capacity", "policy", "bits"],
    cl.GDumb: ["capacity", "policy", "bits"],
    cl.LatentReplay: ["capacity", "cut", "policy", "weighting", "bits", "frozen"],
    cl.ICaRL: ["capacity", "weighting", "bits"],
    cl.LwF: ["lam", "temperature"],
    cl.Separate: ["infer_task"],
    cl.Piggyback: ["threshold", "backbone", "infer_task"],
    cl.PackNet: ["prune", "retrain", "infer_task"],
    cl.NearestMean: ["cut", "frozen"],
    cl.StreamingLDA: ["shrinkage", "cut", "frozen"],
}


@pytest.fixture(scope="module")
def learned():
    return cl.train(cl.EWC(NET), STREAM, seeds=2, steps=2, progress=False)


@pytest.mark.parametrize("kind", ORDER)
def test_arguments_stand_in_this_order_and_weights_have_a_name(kind):
    first, *rest = signature(kind).parameters.values()
    assert first.name == "net" and [p.name for p in rest if p.kind is not p.KEYWORD_ONLY] == ORDER[kind]
    assert [p.name for p in rest if p.kind is p.KEYWORD_ONLY] == ["weights"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_never_changes_and_equals_its_like(kind):
    method = kind(NET)
    assert method == kind(NET) == replace(method) and hash(method) == hash(kind(NET))
    assert method != kind(cl.mlp(STREAM, hidden=(8,)))  # another net
    with pytest.raises(FrozenInstanceError, match="net"):
        method.net = NET
    for name, value in method.hyper.items():
        assert getattr(method, name) == value
        with pytest.raises(FrozenInstanceError, match=name):
            setattr(method, name, value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_run_says_of_its_method_is_complete(kind):
    method = kind(NET)
    run = cl.train(method, STREAM, steps=1, every=9, progress=False)
    for name in signature(kind).parameters.keys() - {"net", "weights"}:
        assert run.settings[name] == getattr(method, name)


def test_a_sweep_tells_its_values_once():
    run = cl.sweep(cl.EWC(NET, samples=5), STREAM, lam=[1, 2], steps=1, every=9, progress=False)
    assert run.settings["samples"] == 5 and "lam" not in run.settings and run.grid == {"lam": [1, 2]}


def test_what_is_not_the_default_is_shown():
    assert repr(cl.EWC(NET)) == "EWC(<Sequential of 610 weights>)"
    shown = repr(cl.EWC(NET, lam=3, weights=NET))
    assert shown == "EWC(<Sequential of 610 weights>, weights=<610 weights>, lam=3.0)"


def test_weights_are_equal_by_value(learned):
    assert cl.EWC(NET, weights=learned) == cl.EWC(NET, weights=learned.params) != cl.EWC(NET)
    moved = {k: p + 1 for k, p in learned.params.items()}
    assert cl.EWC(NET, weights=learned) != cl.EWC(NET, weights=moved)


def test_another_value_keeps_the_rest(learned):
    method = cl.EWC(NET, samples=7, weights=learned)
    other = replace(method, lam=3)
    assert (other.lam, other.samples, type(other.lam)) == (3.0, 7, float) and method.lam == 10
    assert other.weights == method.weights and other.weights.left == ["anchor", "fisher"]
    run = cl.train(other, STREAM, seeds=2, steps=1, every=9, progress=False)
    assert any("anchor, fisher" in note for note in run.notes)


@pytest.mark.parametrize(
    "change, error, words",
    [
        (dict(lam=-1), ValueError, "lam must be a finite number >= 0, got -1"),
        (dict(samples=0), ValueError, "samples must be a whole number >= 1, got 0"),
        (dict(lamb=1), TypeError, "unknown option 'lamb': EWC takes lam, samples, labels, weights"),
        (dict(gamma=0.5), TypeError, r"unknown option 'gamma': .* OnlineEWC\(net, gamma=…\)"),
        (dict(start=NET), TypeError, r"unknown option 'start': .* weights= now: EWC\(net, weights=…\)"),
        (dict(net=3), TypeError, "net must be a torch.nn.Module"),
        (dict(weights={"a": torch.ones(1)}), ValueError, "weights must hold a lane axis"),
    ],
)
def test_bad_values_are_refused_at_once_and_later(change, error, words):
    with pytest.raises(error, match=words):
        replace(cl.EWC(NET), **change)
    with pytest.raises(error, match=words):
        cl.EWC(**{"net": NET} | change)


def test_a_field_without_a_dataclass_is_refused():
    class Mine(cl.EWC):
        strength: float = cl.swept(1.0)

    with pytest.raises(
        TypeError, match=r"Mine must be a dataclass, for its field 'strength': write @dataclass\("
    ):
        Mine(NET)


@dataclass(frozen=True, repr=False)
class Softened(cl.Finetune):
    """A method of one's own, written as CONTRIBUTING says: distils all outputs that earlier tasks use."""

    lam: float = cl.swept(1.0)
    temperature: float = cl.swept(2.0)

    def start(self, params, stream, hyper):
        return {**hyper, **cl.named("before", copied(params))}

    def begin_task(self, params, state, task):
        return params, {**state, **cl.named("before", copied(params))}

    def loss(self, params, state, batch):
        z = cl.apply(self.net, params, batch["x"])  # (lanes, n, outputs)
        new = cross_entropy(masked(z, batch["active"]), batch["y"])
        if batch["task"] == 0:
            return new
        known, T = batch["answers"][0, : batch["task"]].any(0), state["temperature"].view(-1, 1, 1)
        before = cl.apply(self.net, cl.part(state, "before"), batch["x"])
        p, q = ((logits[..., known] / T).log_softmax(-1) for logits in (before, z))
        apart = F.kl_div(q, p, reduction="none", log_target=True).sum(-1).mean(1)  # (lanes,)
        return new + state["lam"] * state["temperature"] ** 2 * apart


def test_a_method_of_ones_own_is_swept_and_with_lam_zero_it_is_finetuning():
    options = dict(steps=5, every=9, progress=False)
    run = cl.sweep(Softened(NET), STREAM, seeds=2, lam=[0, 10], temperature=[1, 4], **options)
    plain = cl.train(cl.Finetune(NET), STREAM, seeds=2, **options)
    assert run.accuracy.shape == (2, 2, 2, 5, 5)
    for k, p in plain.params.items():
        torch.testing.assert_close(run.params[k][:2], p)
        assert (run.params[k][4:6] - p).abs().max() > 1e-3
    with pytest.raises(ValueError, match="temperature must be a finite number >= 0, got -1"):
        Softened(NET, temperature=-1)
    with pytest.raises(TypeError, match="unknown option 'T': Softened takes lam, temperature, weights"):
        Softened(NET, T=3)


def test_where_the_network_did_not_move_only_the_new_samples_pull():
    """The batch brings the task and every task's outputs; the distance is 0 there, and a minimum."""
    seen = []

    class Listening(Softened):
        def loss(self, params, state, batch):
            seen.append((copied(params), state, batch))
            return super().loss(params, state, batch)

    cl.train(Listening(NET), STREAM, steps=2, batch_size=8, every=9, progress=False)
    assert [batch["task"] for *_, batch in seen] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    for params, state, batch in seen[2::2]:
        answers = batch["answers"]
        assert answers.shape == (1, 5, 10) and (answers[0] == STREAM.answers()[batch["task"]]).all()
        params = {k: p.requires_grad_() for k, p in params.items()}
        both = (method(NET).loss(params, state, batch) for method in (Softened, cl.Finetune))
        ours, plain = (torch.autograd.grad(loss.sum(), list(params.values())) for loss in both)
        for a, b in zip(ours, plain, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_constructor_of_ones_own_still_works():
    class Mine(cl.EWC):
        def __init__(self, net, times):
            super().__init__(net, lam=times)
            self.times = times

    method = Mine(NET, times=2)
    assert (method.lam, method.times) == (2.0, 2)
    assert cl.train(method, STREAM, steps=1, every=9, progress=False).settings["lam"] == 2.0
