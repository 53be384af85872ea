"""Metrics against matrices worked out by hand."""

import numpy as np
import pytest

from edgecl_lite import metrics

R = [[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.5, 0.6, 0.7]]
JOINT = [[0.9, 0.1, 0.1], [0.9, 0.9, 0.2], [0.8, 0.9, 1.0]]


def test_by_hand():
    assert metrics.average_accuracy(R) == pytest.approx((0.5 + 0.6 + 0.7) / 3)
    assert metrics.forgetting(R) == pytest.approx((0.4 + 0.2) / 2)
    assert metrics.backward_transfer(R) == pytest.approx((-0.4 - 0.2) / 2)
    assert metrics.forward_transfer(R, 0.1) == pytest.approx((0.1 + 0.2) / 2)
    assert metrics.forward_transfer(R, [0.5, 0.1, 0.2]) == pytest.approx((0.1 + 0.1) / 2)
    assert metrics.intransigence(R, JOINT) == pytest.approx((0.0 + 0.1 + 0.3) / 3)


def test_forgetting_looks_for_the_best_ever_backward_transfer_at_the_diagonal():
    rising = [[0.5, 0.0, 0.0], [0.9, 0.5, 0.0], [0.6, 0.5, 0.5]]  # task 1 was best after task 2
    assert metrics.forgetting(rising) == pytest.approx((0.3 + 0.0) / 2)
    assert metrics.backward_transfer(rising) == pytest.approx((0.1 + 0.0) / 2)


def test_the_best_ever_does_not_count_the_end_itself():
    """Getting better at the end is negative forgetting (Chaudhry et al. 2018, sec. 3), not zero."""
    assert metrics.forgetting([[0.5, 0.0], [0.8, 0.9]]) == pytest.approx(-0.3)


def test_leading_axes_are_carried_along():
    many = np.random.default_rng(0).random((4, 3, 5, 5))
    for name in ("average_accuracy", "forgetting", "backward_transfer"):
        metric = getattr(metrics, name)
        assert metric(many).shape == (4, 3)
        assert metric(many)[2, 1] == pytest.approx(metric(many[2, 1]))
    chance = np.random.default_rng(1).random((4, 3, 5))
    assert metrics.forward_transfer(many, chance)[1, 2] == pytest.approx(
        metrics.forward_transfer(many[1, 2], chance[1, 2])
    )
    assert metrics.intransigence(many, many[0, 0]).shape == (4, 3)


def test_one_task_forgets_nothing():
    assert (
        metrics.forgetting([[0.8]])
        == metrics.backward_transfer([[0.8]])
        == metrics.forward_transfer([[0.8]], 0.1)
        == 0
    )


def test_the_argument_is_not_changed():
    given = np.array(R)
    for name in METRICS:
        measured(name, given)
    assert (given == R).all()


@pytest.mark.parametrize("wrong", [[0.1, 0.2], [[0.1, 0.2]], np.zeros((3, 2)), [], np.zeros((2, 0, 0))])
def test_not_square(wrong):
    with pytest.raises(ValueError, match="R must be square"):
        metrics.forgetting(wrong)


def test_unfinished_and_lost():
    unfinished = np.array(R)
    unfinished[2] = np.nan
    with pytest.raises(ValueError, match="R is unfinished: 2 of 3 rows are there"):
        metrics.average_accuracy(unfinished)
    both = metrics.forgetting(np.stack([R, unfinished]))
    assert np.isfinite(both[0]) and np.isnan(both[1]), "a lost lane of a sweep stays NaN"


def without(*cells):
    """R with NaN in these cells."""
    holed = np.array(R)
    for cell in cells:
        holed[cell] = np.nan
    return holed


METRICS = {  # metric: the cells that it reads, worked out by hand
    "average_accuracy": {(2, 0), (2, 1), (2, 2)},
    "forgetting": {(0, 0), (1, 0), (2, 0), (1, 1), (2, 1)},
    "backward_transfer": {(0, 0), (1, 1), (2, 0), (2, 1)},
    "forward_transfer": {(0, 1), (1, 2)},
    "intransigence": {(0, 0), (1, 1), (2, 2)},
}


def measured(name, matrix):
    more = {"forward_transfer": [0.1], "intransigence": [JOINT]}.get(name, [])
    return getattr(metrics, name)(matrix, *more)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_needs_only_the_cells_that_it_reads(name):
    cells = {(after, on) for after in range(3) for on in range(3)}
    value = measured(name, without(*cells - METRICS[name]))
    if name == "forgetting":  # the upper triangle counts where it was measured; here it was never the best
        assert np.tril(R)[:-1, :-1].max(0).tolist() == np.array(R)[:-1, :-1].max(0).tolist()
    assert value == pytest.approx(measured(name, R))
    for after, on in METRICS[name]:
        with pytest.raises(ValueError, match=rf"unfinished: .* also needs R\[{after}, {on}\]\. "):
            measured(name, without((after, on)))
        lanes = measured(name, np.stack([R, without((after, on))]))
        assert lanes[0] == measured(name, R) and np.isnan(lanes[1]), "a lost lane keeps its NaN"


def test_a_run_that_was_stopped_or_did_not_look_ahead():
    stopped = without((2, 0), (2, 1), (2, 2))
    assert metrics.forward_transfer(stopped, 0.1) == pytest.approx((0.1 + 0.2) / 2)
    behind = without((0, 1), (0, 2), (1, 2))
    assert metrics.average_accuracy(behind) == pytest.approx(0.6)
    assert metrics.forgetting(behind) == pytest.approx(0.3) == -metrics.backward_transfer(behind)
    assert metrics.intransigence(behind, behind) == 0
    with pytest.raises(ValueError, match=r"also needs R\[0, 1\], \[1, 2\]\. Train to the end"):
        metrics.forward_transfer(behind, 0.1)
    with pytest.raises(ValueError, match=r"`after`, columns are `on`; give R\.T where it is the other way"):
        metrics.average_accuracy(behind.T)
    with pytest.raises(ValueError, match=r"joint is unfinished: 2 of 3 rows .* needs joint\[2, 2\]"):
        metrics.intransigence(R, stopped)


def test_accuracy_on_a_task_to_come_counts_where_it_was_measured():
    early = [[0.5, 0.9, 0.1], [0.5, 0.6, 0.1], [0.5, 0.6, 0.7]]
    assert metrics.forgetting(early) == pytest.approx(0.15)
    assert metrics.forgetting([[0.5, None, 0.1], *early[1:]]) == 0


def test_a_lost_lane_of_one_task():
    lanes = np.array([[[0.8]], [[np.nan]]])
    for name in METRICS:
        more = {"forward_transfer": [0.1], "intransigence": [[[0.9]]]}.get(name, [])
        assert np.isnan(getattr(metrics, name)(lanes, *more)).tolist() == [False, True]


def test_whatever_holds_numbers():
    import torch

    for given in (torch.tensor(R), tuple(map(tuple, R)), np.float32(R), np.array(R, object)):
        for name in METRICS:
            assert measured(name, given) == pytest.approx(measured(name, R))
    masked = np.ma.MaskedArray(R, [[False] * 3, [False] * 3, [True] * 3])
    with pytest.raises(ValueError, match="2 of 3 rows are there"):
        metrics.average_accuracy(masked)
    assert metrics.average_accuracy(np.full((2, 2), 1 + 1e-7)) == pytest.approx(1), "rounding is no error"


class Run:
    accuracy = R


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ([0.5, 0.6, 0.7], ValueError, r"got shape \(3,\): give run\.accuracy"),
        (0.5, ValueError, r"R must be square, \(…, tasks, tasks\), got shape \(\)"),
        (
            np.zeros((3, 3, 2)),
            ValueError,
            r"got shape \(3, 3, 2\): give run.accuracy; the lanes, .*, come first",
        ),
        (np.zeros((2, 11, 3)), ValueError, r"\(run.curve is no R\)"),
        ([[0.9], [0.8, 0.7]], ValueError, "R must be an array or nested lists .* equally long, got list"),
        (np.array(R) * 100, ValueError, r"shares in 0\.\.1, got 10\.\.90; divide percentages by 100"),
        ([[-5.0]], ValueError, r"R must hold shares in 0\.\.1, got -5\.\.-5$"),
        ([[np.inf]], ValueError, r"got inf\.\.inf$"),
        ([["a"]], ValueError, "R must be an array or nested lists of numbers"),
        (None, ValueError, r"R must be square"),
        (Run(), TypeError, r"R must be an array of accuracies, got a Run; give its \.accuracy"),
        ({"R": R}, TypeError, "R must be an array or nested lists of numbers, .* got dict"),
        ([[1j]], TypeError, "R must be an array or nested lists of numbers"),
    ],
)
def test_what_is_no_R(wrong, error, says):
    for name in METRICS:
        with pytest.raises(error, match=says):
            measured(name, wrong)


def test_other_shapes_do_not_fit():
    with pytest.raises(ValueError, match="same tasks"):
        metrics.intransigence(R, [[0.5]])
    with pytest.raises(ValueError, match="chance must be a number or"):
        metrics.forward_transfer(R, [0.1, 0.1])
    with pytest.raises(ValueError, match=r"chance must hold shares in 0\.\.1, got 10\.\.10; divide perc"):
        metrics.forward_transfer(R, 10)
    with pytest.raises(ValueError, match=r"R and chance must have the same lanes, .* got \(2,\) and \(3,\)"):
        metrics.forward_transfer([R, R], np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"joint and R must have the same lanes, .* got \(3,\) and \(2,\)"):
        metrics.intransigence([R, R], [JOINT] * 3)
