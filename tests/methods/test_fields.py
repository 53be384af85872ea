"""A method is a frozen dataclass: it shows what it was given, compares by value, and never changes."""

from dataclasses import FrozenInstanceError, dataclass, replace
from inspect import signature

import pytest
import torch

import edgecl_lite as cl

STREAM = cl.split(cl.digits())
NET = cl.mlp(STREAM, hidden=(8,))
KINDS = [
    cl.Finetune, cl.Joint, cl.EWC, cl.OnlineEWC, cl.Replay, cl.DERpp, cl.AGEM, cl.GDumb, cl.LatentReplay,
    cl.ICaRL, cl.Separate, cl.Piggyback, cl.PackNet, cl.NearestMean, cl.StreamingLDA,
]  # fmt: skip
ORDER = {  # of the arguments that may be given by position
    cl.EWC: ["lam", "samples", "labels"],
    cl.Replay: ["capacity", "policy", "weighting", "bits"],
    cl.DERpp: ["capacity", "alpha", "beta", "policy", "bits"],
    cl.AGEM: ["capacity", "policy", "bits"],
    cl.GDumb: ["capacity", "policy", "bits"],
    cl.LatentReplay: ["capacity", "cut", "policy", "weighting", "bits", "frozen"],
    cl.ICaRL: ["capacity", "weighting", "bits"],
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


def test_a_method_of_ones_own_can_be_swept():
    @dataclass(frozen=True, repr=False)
    class Decay(cl.Finetune):
        """Weight decay: a pull to zero."""

        decay: float = cl.swept(0.1)

        def loss(self, params, state, batch):
            size = sum(p.square().flatten(1).sum(1) for p in params.values())
            return super().loss(params, state, batch) + state["decay"] * size

    run = cl.sweep(Decay(NET), STREAM, decay=[0, 0.01], steps=5, every=9, progress=False)
    plain = cl.train(cl.Finetune(NET), STREAM, steps=5, every=9, progress=False)
    for k, p in plain.params.items():
        torch.testing.assert_close(run.params[k][:1], p)
        assert run.params[k][1].norm() < p.norm()
    with pytest.raises(ValueError, match="decay must be a finite number >= 0"):
        Decay(NET, decay=-1)
