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
    for metric in (metrics.average_accuracy, metrics.forgetting, metrics.backward_transfer):
        metric(given)
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


def test_other_shapes_do_not_fit():
    with pytest.raises(ValueError, match="same tasks"):
        metrics.intransigence(R, [[0.5]])
    with pytest.raises(ValueError, match="chance must be a number or"):
        metrics.forward_transfer(R, [0.1, 0.1])
