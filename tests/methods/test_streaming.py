"""Streaming heads against oracles: numpy's closed form over all data at once, scikit-learn, other orders."""

import copy
import warnings

import numpy as np
import pytest
import torch
from small import DIGITS, FAST, NET, STREAM, adamw, same

from edgecl_lite import (
    Dataset,
    Finetune,
    NearestMean,
    Run,
    Stream,
    StreamingLDA,
    Task,
    apply,
    cnn,
    learn,
    mlp,
    nbytes,
    rotated,
    split,
    sweep,
    train,
)
from edgecl_lite.lanes import copied, lane, stack
from edgecl_lite.models import initial

KINDS = [NearestMean, StreamingLDA]


def everything(stream):
    return (torch.cat([task.train[part] for task in stream]) for part in (0, 1))


def latents(net, params, x, cut=-1, i=0):
    """What lane i of the front gives for x, as float64."""
    front = {k: p[[i]] for k, p in params.items()}
    return apply(net[:cut], front, x[None])[0].double().numpy()


def at_once(z, y, classes):
    """Oracle: means (classes, d), counts and mean scatter (d, d) of all data at once, float64."""
    y = y.numpy()
    mean = np.stack([z[y == c].mean(0) if (y == c).any() else np.zeros(z.shape[1]) for c in range(classes)])
    apart = z - mean[y]
    return mean, np.bincount(y, minlength=classes), apart.T @ apart / len(z)


def answers(z, mean, cov, eps, may):
    """Oracle: argmax of μᵀΛz − ½ μᵀΛμ over the classes that may answer."""
    L = np.linalg.inv((1 - eps) * cov + eps * np.eye(len(cov)))
    score = z @ L @ mean.T - np.einsum("cd,de,ce->c", mean, L, mean) / 2
    return np.where(may, score, -np.inf).argmax(1)


def agrees(got, want):
    """Two answers in a thousand may lie on a border, where float32 decides."""
    got, want = np.asarray(got), np.asarray(want)
    return got.shape == want.shape and (got != want).mean() <= 2e-3


def closed_form(run, net, stream, eps, lane_=0, cut=-1):
    """Asserts that state and last answers of a lane are those of the closed form."""
    x, y = everything(stream)
    z = latents(net, run.params, x, cut, lane_)
    mean, count, cov = at_once(z, y, stream.outputs)
    np.testing.assert_allclose(run.state["count"][lane_], count)
    np.testing.assert_allclose(run.state["mean"][lane_], mean, rtol=1e-4, atol=2e-5)
    if "scatter" in run.state:
        scatter = run.state["scatter"][lane_] / len(y)
        np.testing.assert_allclose(scatter, cov, rtol=1e-3, atol=1e-4 * cov.max())
    else:
        cov = np.eye(z.shape[1])
    for on, task in enumerate(stream):
        may = stream.active(len(stream) - 1, on).numpy() & (count > 0)
        want = answers(latents(net, run.params, task.test[0], cut, lane_), mean, cov, eps, may)
        assert agrees(run.axes.flat(run.predicted)[lane_, -1, on, : len(want)], want)


STREAMS = [
    STREAM,
    rotated(DIGITS, (0, 40, 80)),
    split(DIGITS, scenario="task"),
    split(DIGITS, scenario="domain"),
]
NAMES = ["class", "rotated", "task", "domain"]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", STREAMS, ids=NAMES)
def test_after_the_last_sample_it_is_what_all_data_at_once_would_give(stream, kind, frozen):
    net = mlp(stream, hidden=(12,))
    run = train(kind(net, frozen=frozen), stream, seeds=2, batch_size=50, **FAST)
    for i in range(2):
        closed_form(run, net, stream, 1e-2, i)


def test_any_cut_will_do():
    net = mlp(STREAM, hidden=(12, 9))
    for cut, width in ((1, 64), (3, 12), (5, 9), (-1, 9), (-2, 9), (-3, 12)):
        run = train(StreamingLDA(net, 0.1, cut=cut, frozen=True), STREAM, **FAST)
        assert run.state["mean"].shape == (1, 10, width)
        closed_form(run, net, STREAM, 0.1, cut=cut)


def test_behind_convolutions():
    net = cnn(STREAM, channels=(3,))
    closed_form(train(StreamingLDA(net), STREAM, **FAST), net, STREAM, 1e-2)


@pytest.fixture(scope="module")
def balanced():
    """As many samples of every class, for scikit-learn weighs scatters by class."""
    x, y = DIGITS.train
    pick = torch.cat([(y == c).nonzero().flatten()[:90] for c in range(10)])
    return split(Dataset("even", (x[pick], y[pick]), DIGITS.test, DIGITS.classes))


@pytest.mark.parametrize("eps", [0.01, 0.3, 0.9])
def test_streaming_lda_answers_as_scikit_learn_does(balanced, eps):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    run = train(StreamingLDA(NET, eps, frozen=True), balanced, **FAST)
    (x, y), test = everything(balanced), torch.cat([task.test[0] for task in balanced])
    z = latents(NET, run.params, x)
    spread = np.trace(at_once(z, y, 10)[2]) / z.shape[1]
    # there (1 − s) Σ + s spread I, here (1 − ε) Σ + ε I: the same but for a factor
    s = eps / (eps + (1 - eps) * spread)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s, priors=np.full(10, 0.1)).fit(z, y)
    want = theirs.predict(latents(NET, run.params, test))
    got = np.concatenate([run.predicted[0, -1, on, : len(t.test[1])] for on, t in enumerate(balanced)])
    assert agrees(got, want) and (want == torch.cat([t.test[1] for t in balanced]).numpy()).mean() > 0.6
    off = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1 - s).fit(z, y)
    assert not agrees(got, off.predict(latents(NET, run.params, test)))  # the test can fail


def test_nearest_mean_answers_as_scikit_learn_does():
    from sklearn.neighbors import NearestCentroid

    run = train(NearestMean(NET, frozen=True), STREAM, **FAST)
    x, y = everything(STREAM)
    theirs = NearestCentroid().fit(latents(NET, run.params, x), y)
    for on, task in enumerate(STREAM):
        want = theirs.predict(latents(NET, run.params, task.test[0]))
        assert agrees(run.predicted[0, -1, on, : len(want)], want)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_the_order_nor_the_size_of_batches_matters(kind):
    few = Stream(STREAM.tasks[1:4], "class", 10)
    shuffled = Stream([few.tasks[t] for t in (2, 0, 1)], "class", 10)
    runs = [
        train(kind(NET, frozen=True, weights=start()), stream, batch_size=size, **FAST)
        for stream, size in ((few, 1), (few, 7), (few, 1437), (shuffled, 32))
    ]
    for run in runs[1:]:
        for k in ("count", "mean", "scatter")[: 2 + (kind is StreamingLDA)]:
            scale = runs[0].state[k].abs().max().item()
            torch.testing.assert_close(run.state[k], runs[0].state[k], rtol=1e-3, atol=1e-5 * scale)


def start(seed=3):
    return stack([initial(NET, seed)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_fold_in_chunks_equals_the_closed_form(kind, offset):
    """Samples one by one, by threes, or at once; pieces without a class; a class that never came."""
    g, method = torch.Generator().manual_seed(0), kind(NET)
    y = torch.randint(4, (2, 61), generator=g)
    z = torch.randn(2, 61, 5, generator=g) + y[..., None] + offset
    for size in (1, 3, 61):
        count = torch.zeros(2, 6)
        state = {"count": count, "mean": torch.zeros(2, 6, 5), "scatter": torch.zeros(2, 5, 5)}
        for part in torch.arange(61).split(size):
            state = method.fold(state, z[:, part], y[:, part])
        for i in range(2):
            mean, n, cov = at_once(z[i].double().numpy(), y[i], 6)
            np.testing.assert_allclose(state["count"][i], n)
            np.testing.assert_allclose(state["mean"][i], mean, atol=1e-5)
            if kind is StreamingLDA:
                np.testing.assert_allclose(state["scatter"][i] / 61, cov, atol=1e-4)


def test_shrinkage_one_is_the_nearest_mean():
    mean = train(NearestMean(NET), STREAM, seeds=2, **FAST)
    lda = train(StreamingLDA(NET, shrinkage=1), STREAM, seeds=2, **FAST)
    assert same(mean.params, lda.params) and torch.equal(mean.state["mean"], lda.state["mean"])
    x = STREAM.tasks[3].test[0]
    ours, theirs = (m.predict(r.params, r.state, x) for m, r in
                    ((StreamingLDA(NET), lda), (NearestMean(NET), mean)))  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert agrees(lda.predicted, mean.predicted)
    less = train(StreamingLDA(NET, shrinkage=0.01), STREAM, seeds=2, **FAST)
    assert not agrees(less.predicted, mean.predicted)


def test_nearest_mean_is_the_nearest_mean():
    """argmax of μᵀz − ½ μᵀμ is argmin of ‖z − μ‖²; a bias forgotten would be seen."""
    run = train(NearestMean(NET, frozen=True), STREAM, **FAST)
    x = STREAM.tasks[0].test[0]
    z, mean = torch.tensor(latents(NET, run.params, x)), run.state["mean"][0].double()
    got = NearestMean(NET).predict(run.params, run.state, x)[0]
    assert agrees(got.argmax(-1), torch.cdist(z, mean).argmin(-1))


# ---- what may move


def sgd(tensors, lr):
    return torch.optim.SGD(tensors, lr=20 * lr, momentum=0.9, weight_decay=0.1)


OPTIMIZERS = ["adam", "sgd", sgd, adamw]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("fresh", [True, False])
def test_a_frozen_net_never_moves(kind, optimizer, fresh):
    begun = start()
    method = kind(NET, frozen=True, weights=begun)
    for p in learn(method, STREAM, seeds=2, steps=3, every=1, optimizer=optimizer, fresh=fresh):
        assert all(torch.equal(v, begun[k].expand_as(v)) for k, v in p.params.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("fresh", [True, False])
def test_the_first_task_trains_as_finetuning_does_and_then_nothing_moves(kind, optimizer, fresh):
    options = dict(seeds=2, steps=4, every=2, optimizer=optimizer, fresh=fresh)
    plain = next(p for p in learn(Finetune(NET), STREAM, **options) if p.ended)
    points = [*learn(kind(NET), STREAM, **options)]
    first = next(p for p in points if p.ended)
    assert same(first.params, plain.params) and not same(points[0].params, plain.params)
    assert all(same(p.params, plain.params) for p in points if p.task)
    before = [p for p in points if p.task == 0 and not p.ended]
    assert len(before) > 1 and not any(p.state["count"].any() for p in before)
    assert first.state["count"].sum(1).tolist() == [len(STREAM.tasks[0].train[1])] * 2


# ---- what may be answered, and what counts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_class_never_seen_is_never_the_answer(kind, frozen):
    stream = split(DIGITS, active="all")
    method = kind(NET, frozen=frozen)
    for p in learn(method, stream, seeds=2, epochs=1, every=3):
        if not p.state["count"].any():
            continue  # there the net itself answers
        for i in range(2):
            seen = p.state["count"][i].nonzero().flatten().tolist()
            assert set(np.unique(p.predicted[i])) <= {*seen, 255}
            counts = p.state["count"][i].sum() <= sum(len(t.train[1]) for t in stream.tasks[: p.task + 1])
            assert counts and max(seen) <= 2 * p.task + 1


def test_before_the_first_mean_the_net_itself_answers():
    first = next(learn(NearestMean(NET), STREAM, seeds=2))
    plain = next(learn(Finetune(NET), STREAM, seeds=2))
    assert np.array_equal(first.predicted, plain.predicted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_sample_counts_once_however_many_epochs(kind, frozen):
    once, thrice = (
        train(kind(NET, frozen=frozen, weights=start()), STREAM, epochs=n, progress=False) for n in (1, 3)
    )
    came = torch.bincount(torch.cat([task.train[1] for task in STREAM]))
    assert torch.equal(once.state["count"][0].long(), came)
    assert torch.equal(thrice.state["count"][0].long(), came)
    if frozen:
        torch.testing.assert_close(thrice.state["mean"], once.state["mean"], rtol=1e-5, atol=1e-6)


def test_it_learns_and_does_not_forget():
    runs = {kind: train(kind(mlp(STREAM)), STREAM, seeds=2, progress=False, every=10**6) for kind in KINDS}
    score = {kind: run.accuracy[:, -1].mean(1) for kind, run in runs.items()}
    assert (score[StreamingLDA] > 0.9).all() and (score[NearestMean] > 0.65).all()
    assert (score[StreamingLDA] > score[NearestMean] + 0.05).all()


# ---- lanes, bytes, files, state


@pytest.mark.parametrize("frozen", [True, False])
def test_lanes_of_a_sweep_equal_the_runs_alone(frozen):
    values, seeds = [0.0001, 0.1, 1.0], [1, 4]
    whole = sweep(StreamingLDA(NET, frozen=frozen), STREAM, seeds=seeds, shrinkage=values, **FAST)
    assert whole.accuracy.shape == (3, 2, 5, 5)
    for i, value in enumerate(values):
        for j, seed in enumerate(seeds):
            alone = train(StreamingLDA(NET, value, frozen=frozen), STREAM, seeds=[seed], **FAST)
            mine, theirs = lane(whole.state, 2 * i + j), alone.state
            for k in theirs:
                scale = theirs[k].float().abs().max().item()
                torch.testing.assert_close(mine[k], theirs[k], rtol=5e-3, atol=1e-4 * scale, msg=k)
            assert np.abs(whole.curve[i, j] - alone.curve[0]).max() < 0.01
    assert not np.array_equal(*whole.axes.flat(whole.predicted)[[0, 4]])


@pytest.mark.parametrize("hidden", [5, 20])
def test_what_is_kept_to_the_byte(hidden):
    net = mlp(STREAM, hidden=(hidden,))
    for kind, more in ((NearestMean, 0), (StreamingLDA, 4 * hidden**2)):
        method = kind(net)
        for p in learn(method, STREAM, seeds=2, epochs=1, every=10**6):
            if p.ended:
                seen, kept = 2 * p.task + 2, method.keeps(p.state, 1)
                assert nbytes(kept) == seen * (4 * hidden + 4) + more
                assert torch.equal(kept["mean"], p.state["mean"][1][:seen]) and (kept["count"] > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_from_its_file_answers_bit_for_bit(kind, tmp_path):
    method = kind(NET)
    run = train(method, STREAM, seeds=2, **FAST)
    again = Run.load(run.save(tmp_path / "run"))
    assert same(run.state, again.state) and same(run.params, again.params)
    for task in STREAM:
        ours, theirs = (method.predict(r.params, r.state, task.test[0]) for r in (run, again))
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [True, False])
def test_no_hidden_state(kind, frozen):
    method = kind(NET, frozen=frozen)
    before = copy.copy(method)
    weights = copied(dict(NET.named_parameters()))
    points, copies = [], []
    for p in learn(method, STREAM, seeds=2, steps=4, every=1):
        points.append(p)
        copies.append((copied(p.state), copied(p.params), p.predicted.copy()))
    for p, (state, params, predicted) in zip(points, copies):
        assert same(p.state, state) and same(p.params, params) and np.array_equal(p.predicted, predicted)
        kinds = {k: (v.shape, v.dtype) for k, v in p.state.items()}
        assert kinds == {k: (v.shape, v.dtype) for k, v in points[0].state.items()}
        assert all(len(v) == 2 for v in p.state.values())
    assert method == before
    assert same(weights, dict(NET.named_parameters()))
    again = [*learn(method, STREAM, seeds=2, steps=4, every=1)]
    assert all(
        same(a.state, b.state) and np.array_equal(a.predicted, b.predicted) for a, b in zip(points, again)
    )


# ---- what bad input gets


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: NearestMean(NET, cut=0), ValueError, "cut must leave a layer .* got 0"),
        (lambda: NearestMean(NET, cut=4), ValueError, "cut must leave a layer .* got 4"),
        (lambda: NearestMean(NET, cut=-4), ValueError, "cut must leave a layer .* got -4"),
        (lambda: StreamingLDA(NET, shrinkage=-0.1), ValueError, "shrinkage must be .* <= 1, got -0.1"),
        (lambda: StreamingLDA(NET, shrinkage=1.5), ValueError, "shrinkage must be .* <= 1, got 1.5"),
        (lambda: StreamingLDA(NET, shrinkage="auto"), TypeError, "shrinkage must be"),
        (lambda: NearestMean(NET, shrinkage=0.1), TypeError, "unknown option 'shrinkage'"),
        (lambda: sweep(StreamingLDA(NET), STREAM, shrinkage=[0.1, 2], **FAST), ValueError, "got 2"),
        (lambda: train(NearestMean(cnn(STREAM), cut=3), STREAM, **FAST), ValueError, "the front must give"),
    ],
)  # fmt: skip
def test_what_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_one_class_and_one_sample_are_enough():
    x = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    stream = Stream([Task(str(c), (x[[c]], torch.tensor([c])), (x[[c]], torch.tensor([c])), (c,))
                     for c in range(3)], "class", 3)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in KINDS:
            run = train(kind(mlp(stream, hidden=(4,)), frozen=True), stream, **FAST)
            assert run.state["count"].tolist() == [[1, 1, 1]]
