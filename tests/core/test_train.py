"""The loop, its lanes, and what bad input gets."""

import dataclasses
import itertools
import math
import signal
import sys
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgecl_lite import (
    AGEM,
    EWC,
    DERpp,
    Diverged,
    Finetune,
    GDumb,
    ICaRL,
    Joint,
    LatentReplay,
    OnlineEWC,
    PackNet,
    Piggyback,
    Replay,
    Run,
    Separate,
    cnn,
    digits,
    learn,
    metrics,
    mlp,
    nbytes,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import lane
from edgecl_lite.learn import follow
from edgecl_lite.machine.dice import Dice
from edgecl_lite.models import apply, initial
from edgecl_lite.plan import Plan

STREAM = rotated(digits(), degrees=(0, 45, 90))
NET = mlp(STREAM, hidden=(20,))
FAST = dict(epochs=1, progress=False)


def same_state(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---- the loop is the loop one would write by hand


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_finetuning_equals_a_bare_pytorch_loop(optimizer):
    epochs, lr = 2, {"adam": 1e-3, "sgd": 0.1}[optimizer]
    run = train(Finetune(NET), STREAM, seeds=[5], epochs=epochs, optimizer=optimizer, lr=lr)
    net = mlp(STREAM, hidden=(20,))
    net.load_state_dict(initial(NET, 5))
    g = torch.Generator().manual_seed(5)
    for task in STREAM:
        x, y = task.train
        make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        opt = make(net.parameters(), lr=lr)
        for _ in range(epochs):
            for pick in torch.randperm(len(x), generator=g).split(32):
                loss = nn.functional.cross_entropy(net(x[pick]), y[pick])
                opt.zero_grad()
                loss.backward()
                opt.step()
    for k, p in net.named_parameters():
        torch.testing.assert_close(run.params[k][0], p.detach(), rtol=1e-3, atol=1e-4)
    x, y = STREAM.tasks[1].test
    assert abs((net(x).argmax(1) == y).float().mean().item() - run.accuracy[0, 2, 1]) < 0.01


def test_same_seed_same_result_bit_for_bit():
    a, b = (train(EWC(NET), STREAM, seeds=[3], **FAST) for _ in range(2))
    assert same_state(a.params, b.params) and same_state(a.state, b.state)
    assert (a.curve == b.curve).all() and (a.predicted == b.predicted).all()


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train(EWC(NET, labels="sample"), STREAM, **FAST)
    assert torch.equal(before, torch.get_rng_state())


def test_lanes_of_a_sweep_equal_the_runs_alone():
    lams = [0.0, 10.0, 1e3]
    whole = sweep(EWC(NET), STREAM, seeds=[1, 4], lam=lams, **FAST)
    assert whole.curve.shape[:2] == (3, 2) and list(whole.grid) == ["lam"]
    for i, lam in enumerate(lams):
        for j, seed in enumerate((1, 4)):
            alone = train(EWC(NET, lam=lam), STREAM, seeds=[seed], **FAST)
            for k in alone.params:
                torch.testing.assert_close(
                    whole.params[k][2 * i + j], alone.params[k][0], rtol=2e-3, atol=2e-4
                )
            assert np.abs(whole.curve[i, j] - alone.curve[0]).max() < 0.01


def test_lanes_of_a_convolutional_net_equal_the_runs_alone():
    """With plain SGD: Adam would blow a rounding difference of a tiny gradient up to a whole step."""
    net, options = cnn(STREAM, channels=(4, 4)), dict(steps=8, optimizer="sgd", lr=0.1)
    whole = train(EWC(net), STREAM, seeds=2, **options)
    for seed in range(2):
        alone = train(EWC(net), STREAM, seeds=[seed], **options)
        for k in alone.params:
            torch.testing.assert_close(whole.params[k][seed], alone.params[k][0], rtol=1e-3, atol=1e-5)


def test_sweep_over_two_hyper_parameters():
    run = sweep(OnlineEWC(NET, gamma=0.5), STREAM, seeds=2, lam=[1, 10], gamma=[0, 0.5, 1], **FAST)
    assert run.accuracy.shape == (2, 3, 2, 3, 3) and run.lanes == 12
    alone = train(OnlineEWC(NET, lam=10, gamma=1), STREAM, seeds=2, **FAST)
    assert np.abs(run.accuracy[1, 2] - alone.accuracy).max() < 0.01


def test_points_tell_when_and_what():
    points = list(learn(Finetune(NET), STREAM, steps=10, every=4))
    assert [p.step for p in points] == [0, 4, 8, 10, 14, 18, 20, 24, 28, 30]
    assert [p.task for p in points] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [p.step for p in points if p.ended] == [10, 20, 30] and points[0].total == 30
    assert points[0].accuracy.shape == (1, 3) and points[0].predicted.shape == (1, 3, 397)
    first, last = points[0].params["1.weight"], points[-1].params["1.weight"]
    assert torch.equal(first[0], initial(NET, 0)["1.weight"]) and not torch.equal(first, last)
    each = list(follow(Plan(Finetune(NET), STREAM, steps=10, every=4)))
    assert len(each) == 31 and sum(p is None for p in each) == 31 - len(points)


def test_points_hold_the_state_of_their_moment():
    """The optimiser moves params in place: neither a point nor an anchor may move with them."""
    points = list(learn(OnlineEWC(NET, gamma=1.0), STREAM, steps=5, every=1))
    ended = [p for p in points if p.ended]
    for k in NET.state_dict():
        assert torch.equal(ended[0].state[f"anchor.{k}"], ended[0].params[k])
        assert torch.equal(points[points.index(ended[1]) - 1].state[f"anchor.{k}"], ended[0].params[k])


def test_accuracy_is_what_predict_says():
    run = train(Finetune(NET), STREAM, seeds=2, **FAST)
    x, y = STREAM.tasks[0].test
    answers = Finetune(NET).predict(run.params, run.state, x, 0).argmax(-1)
    assert np.allclose((answers == y).double().mean(1), run.accuracy[:, -1, 0])
    assert (answers.numpy() == run.predicted[:, -1, 0]).all()


def test_one_optimiser_for_all_tasks_keeps_its_moments():
    fresh, kept = (train(Finetune(NET), STREAM, fresh=fresh, **FAST) for fresh in (True, False))
    assert (fresh.accuracy[:, 0] == kept.accuracy[:, 0]).all()
    assert not torch.equal(fresh.params["1.weight"], kept.params["1.weight"])
    whole = train(
        Finetune(NET), rotated(digits(), degrees=(0, 0)), fresh=False, optimizer=torch.optim.AdamW, **FAST
    )
    assert whole.settings["fresh"] is False


def test_joint_draws_evenly_from_all_tasks_seen():
    stream = split(digits())
    method, params = Joint(mlp(stream)), {"w": torch.zeros(2, 1)}
    state = method.start(params, stream, {})
    g = torch.Generator().manual_seed(0)
    y = torch.zeros(2, 4000, dtype=torch.long)
    for t in range(5):
        batch = {"y": y, "task": t, "answers": stream.answers()[t].expand(2, -1, -1)}
        drawn = method.draw(state, batch, lambda n: torch.rand(2, n, generator=g))
        share = torch.bincount(drawn["y"][0] // 2, minlength=5) / 4000
        sizes = torch.tensor(
            [len(task.train[1]) * (i <= t) for i, task in enumerate(stream)], dtype=torch.float
        )
        assert (share - sizes / sizes.sum()).abs().max() < 0.03
        assert (drawn["active"].sum(-1) == 2 * (t + 1)).all()
    in_task = split(digits(), scenario="task")
    state = method.start(params, in_task, {})
    batch = {"y": y, "task": 4, "answers": in_task.answers()[4].expand(2, -1, -1)}
    drawn = method.draw(state, batch, lambda n: torch.rand(2, n, generator=g))
    assert (drawn["active"].sum(-1) == 2).all() and drawn["active"].gather(2, drawn["y"][..., None]).all()
    assert nbytes(method.keeps(state)) == 1400 * 65


def test_joint_is_the_upper_bound():
    stream = split(digits())
    joint, plain = (train(m(mlp(stream)), stream, seeds=3, epochs=5) for m in (Joint, Finetune))
    gap = metrics.average_accuracy(joint.accuracy) - metrics.average_accuracy(plain.accuracy)
    assert (gap > 0.5).all()
    R = plain.accuracy.mean(0)
    assert (R[-1, :-1] < 0.05).all() and R[-1, -1] > 0.9, "class-incremental: 0 / 0 / 0 / 0 / 98 is expected"


def test_only_active_outputs_answer():
    for scenario in ("task", "class"):
        stream = split(digits(), scenario=scenario)
        run = train(Finetune(mlp(stream)), stream, **FAST)
        for i, t in enumerate(run.task):
            for on, task in enumerate(stream):
                said = set(run.predicted[0, i, on, : len(task.test[1])].tolist())
                allowed = set(task.classes if scenario == "task" else range(2 * t + 2))
                assert said <= allowed


def test_inactive_outputs_get_no_gradient():
    stream = split(digits())
    point = next(p for p in learn(Finetune(mlp(stream)), stream, steps=3) if p.ended)
    start = initial(mlp(stream), 0)
    assert torch.equal(point.params["3.weight"][0, 2:], start["3.weight"][2:])
    assert not torch.equal(point.params["3.weight"][0, :2], start["3.weight"][:2])


def test_grids_and_seeds_may_be_iterators_arrays_and_numpy_numbers(tmp_path):
    for lam in (iter([0, 1]), np.array([0, 1]), torch.tensor([0.0, 1.0]), [np.float32(0), np.int64(1)]):
        run = sweep(EWC(NET), STREAM, seeds=iter([1, 2]), lam=lam, steps=1)
        assert run.grid == {"lam": [0.0, 1.0]} and run.seeds == [1, 2] and run.curve.shape[:2] == (2, 2)
        assert Run.load(run.save(tmp_path / "run")).grid == run.grid


def test_a_net_that_lanes_cannot_run_is_refused():
    layer, act = nn.Linear(64, 64), nn.Tanh()
    with pytest.raises(TypeError, match="stands in two places"):
        Finetune(nn.Sequential(nn.Flatten(), layer, layer))

    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(64, 10))

        def forward(self, x):
            return x.flatten(1) @ self.w

    with pytest.raises(TypeError, match="got Raw as layer '' without reset_parameters"):
        Finetune(Raw())
    twice = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 10))
    x = STREAM.tasks[0].test[0][:5]
    params = {k: p.detach()[None] for k, p in twice.named_parameters()}
    torch.testing.assert_close(apply(twice, params, x[None])[0], twice(x).detach())


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Flatten(), Doubled(64, 10)),
        nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU()), nn.Linear(8, 10)),
        nn.Sequential(nn.Linear(8, 4), nn.Flatten(), nn.Linear(32, 10, bias=False)),
        nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.AvgPool2d(2), nn.Flatten(1), nn.Linear(36, 10)
        ),
    ],
)
def test_any_plain_net_gives_in_lanes_what_it_gives_alone(net):
    x = STREAM.tasks[0].test[0][:5]
    params = {k: torch.stack([p.detach(), 0 * p.detach()]) for k, p in net.named_parameters()}
    torch.testing.assert_close(apply(net, params, x.expand(2, *x.shape))[0], net(x).detach())
    train(EWC(net), STREAM, seeds=2, steps=2)


# ---- lost lanes, stops


@pytest.mark.parametrize("lam, blamed", [(1e9, True), (0, False)])
def test_the_message_names_the_bound_where_it_is_the_cause(lam, blamed):
    """Also where a task's Fisher was about to be taken; with λ = 0 there is no spring to blame."""
    lr = 0.1 if blamed else 1e20
    for optimizer in ("sgd", torch.optim.SGD):
        with pytest.raises(Diverged) as info:
            train(EWC(NET, lam=lam), STREAM, optimizer=optimizer, lr=lr, epochs=1)
        assert "nan" not in str(info.value) and ("lr·λ·max F < 2" in str(info.value)) == blamed


def test_each_lane_is_told_its_own_bound():
    with pytest.warns(UserWarning):
        run = sweep(EWC(NET), STREAM, seeds=2, lam=[0, 1e9], optimizer="sgd", lr=0.1, epochs=1)
    points = learn(EWC(NET), STREAM, seeds=2, optimizer="sgd", lr=0.1, epochs=1)
    state = next(p for p in points if p.ended).state
    for seed in range(2):
        stiffest = max(v[seed].max().item() for k, v in state.items() if k.startswith("fisher."))
        assert f"{stiffest:.3g} = " in run.lost[2 + seed]


def test_a_lost_run_stops_long_before_the_next_point():
    with pytest.raises(Diverged, match=r"at step \d,") as info:
        train(Finetune(NET), STREAM, optimizer="sgd", lr=1e30, epochs=100, every=10**6)
    assert info.value.run.step[-1] <= 100


def test_a_lost_lane_is_marked_and_the_others_go_on_bit_for_bit():
    options = dict(seeds=2, optimizer="sgd", lr=0.1, epochs=2, progress=False)
    with pytest.warns(UserWarning, match="2 of 6 lanes are lost"):
        run = sweep(EWC(NET), STREAM, lam=[0, 1e9, 1], **options)
    calm = sweep(EWC(NET), STREAM, lam=[0, 0.5, 1], **options)
    assert sorted(run.lost) == [2, 3] and np.isnan(run.accuracy[1, :, 1:]).all()
    assert np.isfinite(run.accuracy[1, :, 0]).all(), "what was learned before it was lost stays"
    for i in (0, 1, 4, 5):
        assert all(torch.equal(run.params[k][i], calm.params[k][i]) for k in run.params)
    assert (run.curve[[0, 2]] == calm.curve[[0, 2]]).all()
    text = run.lost[2]
    assert "lam=1e+09" in text and "seed=0" in text and "lr·λ·max F < 2" in text and "in task '45°'" in text
    step = int(text.split("at step ")[1].split(",")[0])
    assert 88 < step <= 176, text
    assert np.isnan(metrics.average_accuracy(run.accuracy)[1]).all()


def test_a_lost_run_stops_and_says_at_which_step():
    with pytest.raises(
        Diverged, match=r"EWC \(lam=1e\+09, seed=0\) became non-finite at step \d+, in task '45°'"
    ) as info:
        train(EWC(NET, lam=1e9), STREAM, optimizer="sgd", lr=0.1, epochs=2)
    run = info.value.run
    assert np.isfinite(run.accuracy[0, 0]).all() and np.isnan(run.accuracy[0, 1:]).all()
    assert run.step[-1] < 3 * 88
    with pytest.raises(ValueError, match="1 of 3 rows"):
        metrics.forgetting(run.accuracy)


def test_the_step_named_is_the_first_that_failed():
    class Failing(Finetune):
        def loss(self, params, state, batch):
            return super().loss(params, state, batch) * (math.nan if batch["step"] == 16 else 1)

    with pytest.raises(Diverged, match="at step 17, in task"):
        train(Failing(NET), STREAM, epochs=1)


def test_an_interrupt_leaves_a_valid_run():
    class Interrupted(Finetune):
        def loss(self, params, state, batch):
            if batch["step"] == 60:
                raise KeyboardInterrupt
            return super().loss(params, state, batch)

    run = train(Interrupted(NET), STREAM, seeds=2, **FAST)
    assert run.stopped and run.step.tolist() == [0, 44]
    assert np.isfinite(run.accuracy[:, 0]).all() and np.isnan(run.accuracy[:, 1:]).all()
    assert Finetune(NET).predict(run.params, run.state, STREAM.tasks[0].test[0]).shape == (2, 397, 10)
    with pytest.raises(ValueError, match="1 of 3 rows are there"):
        metrics.average_accuracy(run.accuracy)
    assert len(run.table()) == 2


def test_an_interrupt_between_two_points_loses_nothing(monkeypatch):
    from edgecl_lite import train as _  # noqa: F401

    module, calls = sys.modules["edgecl_lite.train"], []

    def interrupted(point, **changes):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return dataclasses.replace(point, **changes)

    monkeypatch.setattr(module, "replace", interrupted)
    run = train(Finetune(NET), STREAM, **FAST)
    assert run.stopped and run.params is not None
    Finetune(NET).predict(run.params, run.state, STREAM.tasks[0].test[0])


def test_a_real_interrupt_from_outside():
    """Ctrl-C while it trains: another thread waits for the twentieth step, however long that takes."""
    under_way, steps = threading.Event(), itertools.count()

    class Watched(Finetune):
        def after_step(self, params, state, batch):
            if next(steps) == 20:
                under_way.set()
            return super().after_step(params, state, batch)

    def press():
        if under_way.wait(900):
            signal.raise_signal(signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    run = train(Watched(NET), STREAM, epochs=100_000, every=1, progress=False)
    assert run.stopped and 0 < run.step[-1] < 1e6


# ---- runs on disk


def test_save_and_load_are_bit_equal(tmp_path):
    method = EWC(NET)
    run = sweep(method, STREAM, seeds=2, lam=[1, 10], **FAST)
    back = Run.load(run.save(tmp_path / "run"))
    x = STREAM.tasks[0].test[0]
    assert torch.equal(
        method.predict(run.params, run.state, x, 0), method.predict(back.params, back.state, x, 0)
    )
    assert same_state(run.state, back.state) and (run.curve == back.curve).all()
    assert back.grid == run.grid and back.seeds == run.seeds and back.names == run.names
    assert (back.accuracy == run.accuracy).all() and back.table().equals(run.table())


def test_save_keeps_what_was_lost_and_joint_too(tmp_path):
    with pytest.warns(UserWarning):
        run = sweep(EWC(NET), STREAM, lam=[0, 1e9], optimizer="sgd", lr=0.1, epochs=1)
    assert run.save(tmp_path / "a.b").name == "a.b.safetensors"
    back = Run.load(tmp_path / "a.b")
    assert back.lost == run.lost and np.isnan(back.curve).sum() == np.isnan(run.curve).sum()
    joint = train(Joint(NET), STREAM, seeds=2, steps=3)
    assert joint.save(tmp_path / "j").stat().st_size < 1.5 * 3 * 1400 * 64 * 4, "the data once, not per lane"
    assert same_state(
        Run.load(joint.save(tmp_path / "j")).state, {k: v.contiguous() for k, v in joint.state.items()}
    )


def test_a_run_says_how_it_was_made():
    settings = train(EWC(NET, samples=50), STREAM, lr=2e-3, steps=2).settings
    want = dict(samples=50, labels="exact", lr=2e-3, steps=2, batch_size=32, optimizer="adam", fresh=True)
    assert want.items() <= settings.items()


def test_load_refuses_what_is_no_run(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no run at all")
    with pytest.raises(ValueError, match="damaged or was not written by Run.save"):
        Run.load(tmp_path / "bad")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors", {"edgecl": "{}"})
    with pytest.raises(ValueError, match="damaged or was not written by Run.save"):
        Run.load(tmp_path / "foreign")
    with pytest.raises(FileNotFoundError, match="no run saved at"):
        Run.load(tmp_path / "missing")


def test_table_has_a_row_per_lane():
    table = sweep(EWC(NET), STREAM, seeds=2, lam=[1, 10], **FAST).table()
    assert list(table.columns[:3]) == ["lam", "seed", "on 0°"] and len(table) == 4
    assert table["average accuracy"].between(0, 1).all()


# ---- bad input


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(epochs=0), ValueError, "epochs must be a whole number >= 1, got 0"),
        (dict(epochs=1.5), ValueError, "epochs must be a whole number >= 1, got 1.5"),
        (dict(epochs="3"), TypeError, "epochs must be a whole number >= 1, got '3'"),
        (dict(batch_size=0), ValueError, "batch_size must be"),
        (dict(steps=-1), ValueError, "steps must be a whole number >= 1, got -1"),
        (dict(every=0), ValueError, "every must be"),
        (dict(seeds=0), ValueError, "seeds must be a whole number >= 1, got 0"),
        (dict(seeds=[]), ValueError, "seeds must be a list of at least one value"),
        (dict(seeds=[1, 1]), ValueError, "different whole numbers"),
        (dict(seeds=[-1]), ValueError, "each of seeds"),
        (dict(lr=0), ValueError, "lr must be a finite number > 0, got 0"),
        (dict(lr=math.nan), ValueError, "lr must be a finite number > 0, got nan"),
        (dict(lr=True), TypeError, "lr must be"),
        (dict(optimizer="rmsprop"), ValueError, "'adam', 'sgd' or a callable.*got 'rmsprop'"),
        (dict(optimizer=["adam"]), ValueError, "'adam', 'sgd' or a callable"),
    ],
)
def test_train_refuses(options, error, words):
    with pytest.raises(error, match=words):
        train(Finetune(NET), STREAM, **options)


@pytest.mark.parametrize("lam", [-1, 1e39, 10**400, math.nan, math.inf, "10", None, True])
def test_lam_must_be_a_finite_number(lam):
    with pytest.raises((ValueError, TypeError), match="lam must be a finite number >= 0, got"):
        EWC(NET, lam=lam)
    with pytest.raises((ValueError, TypeError), match="each of lam must be a finite number >= 0, got"):
        sweep(EWC(NET), STREAM, lam=[0, lam])


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(lam=[]), ValueError, "lam must be a list of at least one value"),
        (dict(gamma=[0.5]), TypeError, "EWC can sweep lam. gamma is .*: OnlineEWC\\(net, gamma=…\\)"),
        (dict(lam=3.0), ValueError, "lam must be a list"),
        (dict(lam="12"), ValueError, "lam must be a list"),
        (dict(lamb=[1]), TypeError, "unknown option 'lamb': EWC can sweep lam"),
        (dict(), ValueError, "sweep needs a list of values for a hyper-parameter \\(EWC has lam\\)"),
    ],
)
def test_sweep_refuses(options, error, words):
    with pytest.raises(error, match=words):
        sweep(EWC(NET), STREAM, **options)


@pytest.mark.parametrize("options", [dict(samples=0), dict(labels="all"), dict(gamma=1.5), dict(gamma=-0.1)])
def test_ewc_refuses(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        OnlineEWC(NET, **options)


def test_who_still_passes_gamma_to_ewc_is_told_where_it_went():
    words = r"unknown option 'gamma': EWC takes lam, samples, labels, weights. .*: OnlineEWC\(net, gamma=…\)"
    with pytest.raises(TypeError, match=words):
        EWC(NET, gamma=0.5)


def test_a_list_for_train_is_sent_to_sweep():
    with pytest.raises(TypeError, match=r"unknown option 'lam'; to try values .*: sweep\(…, lam=\[…\]\)"):
        train(EWC(NET), STREAM, lam=[1, 10])


def test_nets_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected a net for inputs \(1, 8, 8\) and 10 outputs"):
        train(Finetune(nn.Sequential(nn.Flatten(), nn.Linear(10, 10))), STREAM)
    with pytest.raises(ValueError, match=r"this one gives \(3,\) per sample"):
        train(Finetune(nn.Sequential(nn.Flatten(), nn.Linear(64, 3))), STREAM)
    with pytest.raises(TypeError, match="GroupNorm instead of BatchNorm"):
        Finetune(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    with pytest.raises(TypeError, match="net must be a torch.nn.Module"):
        EWC("mlp")
    with pytest.raises(TypeError, match="method must be a method"):
        train(NET, STREAM)
    with pytest.raises(TypeError, match="method must be a method"):
        sweep(NET, STREAM)
    with pytest.raises(TypeError, match="stream must be a Stream"):
        train(Finetune(NET), list(STREAM))
    with pytest.raises(ValueError, match="each of hidden must be"):
        mlp(STREAM, hidden=(0,))


def test_nothing_handed_in_is_changed():
    before = {k: v.clone() for k, v in NET.state_dict().items()}
    x = STREAM.tasks[0].train[0].clone()
    train(EWC(NET), STREAM, **FAST)
    assert same_state(before, NET.state_dict()) and torch.equal(x, STREAM.tasks[0].train[0])


def test_lane_picks_lanes():
    tree = {"w": torch.arange(6).view(3, 2)}
    assert lane(tree, 1)["w"].tolist() == [[2, 3]] and lane(tree, [2, 0])["w"].shape == (2, 2)


def test_cuda_gives_what_the_processor_gives():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here, so device='cuda' was not tried")
    a, b = (sweep(EWC(NET), STREAM, seeds=2, lam=[1, 10], device=d, **FAST) for d in ("cpu", "cuda"))
    assert np.abs(a.curve - b.curve).max() < 0.05


def test_shuffles_and_chances_of_a_seed_are_not_the_same_numbers():
    """torch's generators look at 32 bits of a seed: one that differs only above them draws the same."""
    dice = Dice([0, 1], torch.arange(2), "cpu")
    drawn = [torch.rand(4, generator=g) for g in dice.shuffles + dice.chances]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))
    with pytest.raises(ValueError, match="2³¹"):
        train(Finetune(mlp(STREAM)), STREAM, seeds=[2**31])


def test_runs_and_points_show_themselves_in_a_line():
    run = sweep(EWC(NET), STREAM, seeds=2, lam=[0, 10], **FAST)
    assert repr(run).startswith("Run(EWC, lam=[0.0, 10.0], seeds=[0, 1], ") and len(repr(run)) < 120
    assert (
        "accuracy" in repr(next(learn(Finetune(NET), STREAM)))
        and len(repr(next(learn(Finetune(NET), STREAM)))) < 120
    )


def test_a_method_names_the_options_it_does_not_have():
    with pytest.raises(TypeError, match="unknown option 'lam': Replay takes capacity"):
        Replay(NET, lam=3)


@pytest.mark.parametrize(
    "make", [Finetune, EWC, Replay, DERpp, AGEM, GDumb, LatentReplay, ICaRL, Piggyback, PackNet, Separate]
)
def test_every_method_begins_where_it_is_told(make):
    stream = split(digits())
    net = mlp(stream, hidden=(20,))
    given = train(Finetune(net), stream, epochs=1, progress=False)
    for start in (given, given.params):
        first = next(learn(make(net, weights=start), stream, seeds=2))
        assert all(torch.equal(first.params[k], p.expand(2, *p.shape[1:])) for k, p in given.params.items())
    with pytest.raises(TypeError, match="weights must be params"):
        make(net, weights={"1.weight": np.zeros(3)})
