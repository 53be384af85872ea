"""A year of a device's life: against plain training, closed forms and brute force; what goes wrong."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import edgecl_lite as cl
from edgecl_lite.device.course import Course
from edgecl_lite.device.living import beginning, next_day
from edgecl_lite.device.update import session
from edgecl_lite.device.worn import Lives

QUIET = dict(events={}, gain=0, offset=0, noise=0)
YEAR = cl.year(6, **QUIET)
NET = cl.wrist_net(cl.smartwatch_wearers(), channels=(4,))
MADE = dict(epochs=2, batch_size=16, lr=3e-3)


def begun(method, lives=2, year=YEAR, **options):
    """(`Course`, `Now`) of some lives before their first day."""
    strategy = cl.Strategy(method, **MADE | options)
    course = Course(strategy, year, lives, "nano-33-ble", None, 0.0, 0.0)
    return course, beginning(course)


def close(a, b, tolerance=1e-5):
    assert a.keys() == b.keys()
    for k in a:
        torch.testing.assert_close(a[k], b[k], rtol=tolerance, atol=tolerance)


def lane_of(tree, i):
    return {k: v[i : i + 1] for k, v in tree.items()}


METHODS = {
    "finetuning": cl.Finetune(NET),
    "EWC": cl.EWC(NET, lam=30.0, samples=5),
    "online EWC": cl.OnlineEWC(NET),
    "LwF": cl.LwF(NET),
    "replay": cl.Replay(NET, capacity=14),
    "a reservoir": cl.Replay(NET, capacity=9, policy="reservoir", weighting="equal"),
    "DER++": cl.DERpp(NET, capacity=14),
    "A-GEM": cl.AGEM(NET, capacity=14),
    "latent replay": cl.LatentReplay(NET, capacity=14, cut=-1),
    "nearest mean": cl.NearestMean(NET),
    "LDA": cl.StreamingLDA(NET),
}


# ---- a life is a training


@pytest.mark.parametrize("name", METHODS)
def test_without_events_and_with_all_labels_a_life_is_a_training(name):
    """A session a day: the loop, the verbs and all chance are those of `train` on the days."""
    method = METHODS[name]
    life = cl.lived(cl.Strategy(method, shipped=False, **MADE), YEAR, [3])
    run = cl.train(method, cl.life_stream(YEAR, 3), [3], every=10**6, progress=False, **MADE)
    assert life.params.keys() == run.params.keys() and life.state.keys() == run.state.keys()
    for mine, its in ((life.params, run.params), (life.state, run.state)):
        for k in its:
            torch.testing.assert_close(mine[k].float(), its[k].float(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(life.accuracy[0], np.diag(run.accuracy[0]))


@pytest.mark.parametrize("name", METHODS)
def test_lives_side_by_side_are_the_lives_alone(name):
    """Also where their labels, and so their batches and sessions, are of unlike numbers."""
    year = cl.year(9, labelled=0.6, events={"new wearer": 0, "other arm": 4, "new exercise": 6})
    strategy = cl.Strategy(METHODS[name], when=cl.OnLabels(12), guard=cl.Guard(8, 0.1), **MADE)
    both = cl.lived(strategy, year, [4, 7])
    for i, seed in enumerate(both.seeds):
        alone = cl.lived(strategy, year, [seed])
        np.testing.assert_allclose(both.accuracy[i], alone.accuracy[0], atol=0.03)
        np.testing.assert_array_equal(both.waiting[i], alone.waiting[0])
        np.testing.assert_array_equal(both.learned[i], alone.learned[0])
        close(lane_of(both.params, i), alone.params, 1e-3)
    assert len({*both.waiting.sum(1)}) == 2  # they did differ


def test_without_labels_nothing_is_learned():
    year, method = cl.year(5, labelled=0), cl.Finetune(NET)
    life, never = (cl.lived(cl.Strategy(method, w, **MADE), year, 2) for w in ("always", "never"))
    assert not life.learned.any() and not life.waiting.any() and not life.pages.any()
    np.testing.assert_array_equal(life.accuracy, never.accuracy)
    close(life.params, cl.lived(cl.Strategy(method, "never"), cl.year(1), 2).params, 0)


def test_the_factory_delivers_what_a_method_keeps_and_moves_no_weight():
    weights = cl.factory(NET, YEAR, 2, epochs=1)
    for method in (cl.EWC(NET, weights=weights), cl.Replay(NET, capacity=14, weights=weights)):
        course, now = begun(method)
        close(now.params, dict(weights), 0)
        kept = method.keeps(now.state, 1)
        assert cl.nbytes(kept) > 0
    task = cl.factory_task(YEAR, 1)
    x, _ = method.shows(now.state, task.train[0].shape[1:], 1)
    its = (task.train[0] * 254).round().flatten(1)
    assert all((row == its).all(1).any() for row in (x * 254).round().flatten(1))


def test_a_factory_is_a_training_for_each_seed():
    year = cl.year(20, events={"new exercise": 9})
    both = cl.factory(NET, year, [2, 5], epochs=3, lr=1e-2, batch_size=50)
    for i, seed in enumerate((2, 5)):
        stream = cl.Stream([cl.factory_task(year, seed)], "domain", 7)
        options = dict(epochs=3, lr=1e-2, batch_size=50, progress=False)
        close(lane_of(both, i), cl.train(cl.Finetune(NET), stream, [seed], **options).params, 1e-4)


# ---- what happens


def test_a_life_is_a_function_of_its_seed():
    year = cl.year(30)
    a, b, other = year.life(5), year.life(5), year.life(6)
    assert torch.equal(a.row, b.row) and torch.equal(a.gain, b.gain) and a.events == b.events
    assert not torch.equal(a.row, other.row)


@pytest.mark.parametrize("arms", ["left", "both"])
def test_who_wears_it_on_which_arm_and_what_is_done(arms):
    events = {"new wearer": (0, 40), "other arm": (10, 20), "new exercise": (15, 30)}
    year = cl.year(60, wearings=2, windows=5, events=events, arms=arms)
    life = year.life(3)
    assert not {*life.wearer.tolist()} & {*life.met} and len({*life.wearer.tolist()}) == 2
    assert life.wearer[39] != life.wearer[40] and (life.wearer[:40] == life.wearer[0]).all()
    assert [d for d in range(60) if life.arm[d]] == [*range(10, 20)]
    assert life.prescribed.sum(1).tolist() == [5] * 15 + [6] * 15 + [7] * 30
    assert torch.equal(life.prescribed[0], life.known)
    for day in range(60):
        rows = life.row[day]
        assert (year.train.wearer[rows] == life.wearer[day]).all()
        assert (year.train.arm[rows] == life.arm[day]).all()
        assert life.prescribed[day][year.train.exercise[rows]].all()
        assert len(year.train.exercise[rows].unique()) == 3
    new = (life.prescribed[15] & ~life.known).nonzero().item()
    assert all(new in year.train.exercise[life.row[d]] for d in range(15, 28))  # its first programme
    assert life.conditions == [(0, 9), (10, 14), (15, 19), (20, 29), (30, 39), (40, 59)]
    task = cl.factory_task(year, 3)
    assert {*task.train[1].tolist()} == {*life.known.nonzero().flatten().tolist()}
    its = sum(len(year.train.rows(w, a, life.known)) for w in life.met for a in range(1 + (arms == "both")))
    assert len(task.train[1]) == its


def test_a_programme_stays_for_its_days():
    year = cl.year(28, windows=6, programme=7, events={})
    life = year.life(0)
    weeks = [{*year.train.exercise[life.row[w : w + 7]].unique().tolist()} for w in range(0, 28, 7)]
    assert all(len(week) == 3 for week in weeks) and len({*map(frozenset, weeks)}) > 1


def test_the_drift_stays_within_its_bounds_and_begins_on_its_day():
    year = cl.year(200, gain=0.1, offset=0.03, events={"ageing": 20})
    life = year.life(1)
    for walk, bound in ((life.gain, 0.1), (life.offset, 0.03)):
        assert not walk[:21].any() and walk[21:].any(1).all()
        assert walk.abs().max() <= bound + 1e-6 and walk.abs().max() > bound / 2
        assert walk.diff(dim=0).abs().max() < 5 * bound / 200**0.5  # no jump where it is folded
    still = cl.year(30, gain=0.1, offset=0.03, events={}).life(1)
    assert not still.gain.any() and not still.offset.any()


def test_what_is_worn_is_the_window_under_gain_and_offset():
    year = cl.year(40, noise=0, events={"ageing": 0})
    lives, day = Lives(year, [2]), 39
    seen, _ = lives.worn(day)
    life = lives.diaries[0]
    for i, row in enumerate(life.row[day]):
        g, o = life.gain[day][:, None, None], life.offset[day][:, None, None]
        want = (0.5 + (1 + g) * (year.train.x[row] - 0.5) + o).clamp(0, 1)
        torch.testing.assert_close(seen.x[0, i], want)
        assert seen.y[0, i] == year.train.exercise[row]


def test_noise_has_its_deviation_and_is_the_same_again():
    year = cl.year(3, noise=0.01, events={})
    quiet = replace(year, noise=0.0)
    a, again, clean = (Lives(y, [0, 1]).asked(1) for y in (year, year, quiet))
    assert torch.equal(a.x, again.x)
    inside = (clean.x > 0.1) & (clean.x < 0.9)
    assert (a.x - clean.x)[inside].std().item() == pytest.approx(0.01, rel=0.03)
    assert not torch.equal((a.x - clean.x)[0, 0], (a.x - clean.x)[1, 0])


def test_a_share_of_the_wearings_is_labelled_as_a_whole():
    year = cl.year(300, wearings=3, windows=4, labelled=0.3)
    labelled = year.life(0).labelled.view(300, 3, 4)
    assert (labelled.all(2) == labelled.any(2)).all()
    assert labelled.double().mean().item() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 900))


def test_accuracy_is_counted_on_what_the_day_asks():
    year = cl.year(12, events={"new wearer": 0, "other arm": 5, "new exercise": 8})
    life = cl.lived(cl.Strategy(cl.Finetune(NET), "never"), year, [0, 1])
    lives = Lives(year, [0, 1])
    for day in (0, 6, 11):
        for i, diary in enumerate(lives.diaries):
            rows = year.test.rows(diary.wearer[day], diary.arm[day], diary.prescribed[day])
            seen = lives.asked(day)
            x, y = seen.x[i, : len(rows)], seen.y[i, : len(rows)]
            assert torch.equal(y, year.test.exercise[rows]) and not seen.there[i, len(rows) :].any()
            logits = cl.apply(NET, lane_of(life.params, i), x[None])[0]
            want = (logits.argmax(-1) == y).double().mean().item()
            assert life.accuracy[i, day] == pytest.approx(want)
    assert np.isnan(life.past[:, :5]).all() and not np.isnan(life.past[:, 5:]).any()


def own_stream(wearers=3, classes=(0, 1, 2), each=4):
    """Windows of a few wearers as `readings` would give them: two channels of eight readings."""
    g, tasks = torch.Generator().manual_seed(0), []
    for w in range(wearers):
        y = torch.tensor(classes if w else (0, 1, 2)).repeat_interleave(each)
        x = (torch.rand(len(y), 2, 1, 8, generator=g) + y.view(-1, 1, 1, 1)) / 4
        tasks.append(cl.Task(f"wearer {w}", (x, y), (x, y), (0, 1, 2), ("sit", "stand", "walk")))
    return cl.Stream(tasks, "domain", 3)


def test_a_year_of_other_data():
    year = cl.year(20, data=own_stream())
    assert year.factory == 2 and year.names == ("sit", "stand", "walk")
    assert year.events.keys() == {"new wearer", "new exercise", "ageing"}  # there is one arm only
    life = cl.lived(cl.Strategy(cl.Finetune(cl.mlp(own_stream())), cl.Every(5), **MADE), year, 2)
    assert life.accuracy.shape == (2, 20) and life.learned.sum() == 8
    alone = cl.year(5, data=own_stream(1))
    assert "new wearer" not in alone.events and len(alone.life(0).row) == 5


# ---- when to learn


def plainly(values, delta, threshold, least):
    """Page and Hinkley as a loop over one life: the days of its alarms."""
    alarms, seen = [], []
    for day, value in enumerate(values):
        if math.isnan(value):
            continue
        seen.append(value)
        sums, total = [], 0.0
        for n in range(1, len(seen) + 1):
            total += seen[n - 1] - sum(seen[:n]) / n - delta
            sums.append(total)
        if len(seen) >= least and sums[-1] - min(0.0, *sums) > threshold:
            alarms.append(day)
            seen = []
    return alarms


def values(lives=4, days=120):
    g = np.random.default_rng(0)
    rise = np.where(np.arange(days) >= 60, 0.15, 0.0) * np.arange(lives)[:, None]
    drawn = np.clip(0.2 + rise + 0.05 * g.standard_normal((lives, days)), 0, 1)
    drawn[:, 30:33] = np.nan
    return drawn


def test_page_and_hinkley_against_a_plain_loop():
    found, state = [[] for _ in range(4)], None
    for day, x in enumerate(values().T):
        state, alarm = cl.page_hinkley(state, x, 0.02, 0.5, 10)
        for i in np.flatnonzero(alarm):
            found[i].append(day)
    assert found == [plainly(x, 0.02, 0.5, 10) for x in values()]
    assert not found[0] and 60 <= found[3][0] < 70


def test_page_and_hinkley_against_river():
    drift = pytest.importorskip("river.drift", reason="river is no dependency of the course")
    for x in values():
        test = drift.PageHinkley(10, 0.02, 0.5, alpha=1.0, mode="up")
        its = []
        for day, value in enumerate(x):
            if not math.isnan(value):
                test.update(value)
                its += [day] * test.drift_detected
        assert its == plainly(x, 0.02, 0.5, 10)


def test_sessions_follow_an_alarm_and_end():
    trigger, state, due = cl.OnDrift(0.02, 0.5, lasts=14, every=7), None, []
    state = trigger.start(1)
    for day, x in enumerate(values()[3]):
        state, now = trigger.due(state, day, 1 - np.array([x]), np.array([8]))
        due += [day] * bool(now[0])
    alarm = plainly(values()[3], 0.02, 0.5, 10)[0]
    assert due[:2] == [alarm + 7, alarm + 14]


@pytest.mark.parametrize(
    ("when", "days"),
    [("always", [*range(8)]), ("never", []), (cl.Every(3), [2, 5]), (cl.OnLabels(20), [2, 5])],
    ids=["always", "never", "every third day", "on twenty labels"],
)
def test_the_days_of_sessions(when, days):
    life = cl.lived(cl.Strategy(cl.Finetune(NET), when, epochs=1), cl.year(8, **QUIET), 2)
    assert [np.flatnonzero(own).tolist() for own in life.learned] == [days] * 2


def test_the_newest_windows_wait():
    course, now = begun(cl.Finetune(NET), when="never", gathers=20)
    rows = torch.cat([course.lives.worn(day)[0].y[1] for day in range(5)])
    for day in range(5):
        now, seen = next_day(course, now, day)
    assert torch.equal(now.waiting[1][1], rows[-20:]) and seen.waiting.tolist() == [20, 20]


# ---- did it help


def thinned(year, each):
    """The year in which every so many labelled windows have lost their label."""

    class Thinned(type(year)):
        def life(self, seed):
            diary = year.life(seed)
            count = diary.labelled.flatten().cumsum(0).view(diary.labelled.shape)
            return replace(diary, labelled=diary.labelled & (count % each > 0))

    return Thinned(**{own.name: getattr(year, own.name) for own in fields(year)})


def test_a_guard_that_tolerates_all_is_no_guard():
    """It is the life without one in which the windows held back had no label."""
    strategy = cl.Strategy(METHODS["replay"], when=cl.Every(2), **MADE)
    guarded = cl.lived(replace(strategy, guard=cl.Guard(8, math.inf)), YEAR, 2)
    free = cl.lived(strategy, thinned(YEAR, 5), 2)
    close(guarded.params, free.params, 0)
    np.testing.assert_array_equal(guarded.accuracy, free.accuracy)
    assert not guarded.rolled_back.any() and (guarded.joules > free.joules).any()


@pytest.mark.parametrize("name", ["finetuning", "EWC", "replay", "nearest mean"])
def test_a_poisoned_session_is_undone(name):
    """Labels permuted in what waits, not in what is held back: params and state are the old ones."""
    weights = cl.factory(NET, YEAR, 2, epochs=30)
    method, who = replace(METHODS[name], weights=weights), np.array([True, True])
    course, now = begun(method, guard=cl.Guard(16, 0.0), when="never", epochs=2, lr=1e-2)
    for day in range(6):
        now, _ = next_day(course, now, day)
    poisoned = replace(now, waiting=[(x, (y + 1) % 7) for x, y in now.waiting])
    poisoned = replace(poisoned, waiting=[(x.repeat(30, 1, 1, 1), y.repeat(30)) for x, y in poisoned.waiting])
    after, done = session(course, poisoned, who, 5)
    assert done.undone.all() and not any(len(y) for _, y in after.waiting)
    close(after.params, now.params, 0)
    close(after.state, now.state, 0)
    assert (after.sessions == now.sessions).all() and (after.pages == now.pages).all()
    free, now = begun(method, when="never", epochs=2, lr=1e-2)
    after, done = session(free, replace(now, waiting=poisoned.waiting), who, 5)
    assert not done.undone.any()
    assert any(not torch.equal(after.state[k], v) for k, v in now.state.items()) or any(
        not torch.equal(after.params[k], v) for k, v in now.params.items()
    )


def test_what_a_guard_holds_back():
    """The newest of each class by brute force, at first the factory's; or the newest of all."""
    for each in ("class", "any"):
        course, now = begun(cl.Finetune(NET), guard=cl.Guard(21, each=each, share=0.5), when="never")
        came = [*zip(*course.tasks[1].test, strict=True)] if each == "class" else []
        for day in range(6):
            worn, _ = course.lives.worn(day)
            came += [*zip(worn.x[1, 1::2], worn.y[1, 1::2], strict=True)]
            now, _ = next_day(course, now, day)
        if each == "class":
            newest = [[i for i, (_, y) in enumerate(came) if y == c][-3:] for c in range(7)]
            want = sorted(i for own in newest for i in own)
        else:
            want = range(len(came))[-21:]
        assert now.held[1][1].tolist() == [came[i][1].item() for i in want]
        assert torch.equal(now.held[1][0], torch.stack([came[i][0] for i in want]))


def test_an_update_that_is_not_finite_is_undone_without_a_guard():
    strategy = cl.Strategy(cl.Finetune(NET), optimizer="sgd", lr=1e30, epochs=3)
    life = cl.lived(strategy, cl.year(3, **QUIET), 2)
    assert life.rolled_back.all() and all(p.isfinite().all() for p in life.params.values())


def test_answers_that_are_believed_are_learned():
    """With pseudo-labels and no label: as a life whose labels are the device's own answers."""
    year = cl.year(1, labelled=0, **QUIET)
    course, now = begun(cl.Finetune(NET), year=year, pseudo=1e-9, when="never")
    worn, _ = course.lives.worn(0)
    said = cl.apply(NET, now.params, worn.x).argmax(-1)
    now, seen = next_day(course, now, 0)
    assert all(torch.equal(y, own) for (_, y), own in zip(now.waiting, said, strict=True))
    sure, now = begun(cl.Finetune(NET), year=year, pseudo=1.0, when="never")
    assert not next_day(sure, now, 0)[1].waiting.any()


# ---- what it takes


@pytest.mark.parametrize("name", METHODS)
def test_joules_and_pages_are_those_of_the_budget(name):
    """Answers, steps, new samples, ends of tasks and pages, summed by hand from public figures."""
    year, method = cl.year(8, **QUIET), METHODS[name]
    strategy = cl.Strategy(method, when=cl.Every(4), gathers=32, **MADE)
    life = cl.lived(strategy, year, 2)
    stream = cl.life_stream(replace(year, labelled=1.0), 0, 4)
    own = cl.budget(method, stream, 16)
    need = own.need
    moved = need.trained[0] if need.moved is None else need.moved
    saved = 4 * moved + sum(need.keeps.values())
    pages = -(-saved // 4096)
    flops = 2 * 2 * sum(own.step.values()) + 32 * need.sample + need.task  # 2 epochs of 2 batches
    flops += need.answer
    session_j = cl.estimate(flops, "nano-33-ble", written=saved, erased=pages).energy_mj / 1e3
    day_j = cl.estimate(8 * own.net.forward, "nano-33-ble").energy_mj / 1e3
    want = np.full((2, 8), day_j)
    want[:, [3, 7]] += session_j
    np.testing.assert_allclose(life.joules, want, rtol=1e-12)
    np.testing.assert_array_equal(life.pages[:, -1], [2 * pages] * 2)


def test_the_battery_is_what_came_less_what_went():
    year, method = cl.year(12, **QUIET), cl.Finetune(NET)
    life = cl.lived(cl.Strategy(method, cl.Every(3), **MADE), year, 2, battery_j=1.0, harvest_j=1e-4)
    level = np.full(2, 1.0)
    for day in range(12):
        level = np.minimum(1.0, level + 1e-4) - life.joules[:, day]
        np.testing.assert_allclose(life.battery[:, day], level)


def test_an_empty_battery_is_the_end_and_too_little_for_a_session_is_told():
    year, strategy = cl.year(12, **QUIET), cl.Strategy(cl.Finetune(NET), cl.Every(2), **MADE)
    answer = cl.lived(replace(strategy, when="never"), year, 1).joules[0, 0]
    life = cl.lived(strategy, year, 2, battery_j=7.5 * answer)
    assert not life.learned.any() and life.rolled_back.sum() == 0
    said = [s for own in life.events for day in own for s in day]
    assert any("a session takes" in s and "it is not begun" in s for s in said)
    assert np.isnan(life.accuracy[:, 7:]).all() and not np.isnan(life.accuracy[:, :7]).any()
    assert not life.joules[:, 7:].any()
    want = life.accuracy[:, :7].sum(1) / 12  # a dead watch is right about nothing
    np.testing.assert_allclose(life.score(), want)


def test_a_power_cut_leaves_what_the_flash_had():
    year, strategy = cl.year(8, **QUIET), cl.Strategy(METHODS["replay"], cl.Every(2), **MADE)
    cut, whole = (cl.lived(strategy, year, 2, cuts=p) for p in (1.0, 0.0))
    never = cl.lived(replace(strategy, when="never"), year, 2)
    np.testing.assert_array_equal(cut.cut, cut.learned)
    close(cut.params, never.params, 0)
    assert not cut.pages.any() and not cut.rolled_back.any() and not whole.cut.any()
    spent = (cut.joules - never.joules)[cut.cut]
    assert ((spent > 0) & (spent < (whole.joules - never.joules)[whole.learned].max())).all()
    half = cl.lived(strategy, cl.year(60, **QUIET), 2, cuts=0.5)
    assert 0.25 < half.cut.sum() / half.learned.sum() < 0.75


def test_the_bytes_of_a_strategy():
    course, _ = begun(METHODS["replay"], guard=cl.Guard(16), gathers=24)
    plain = cl.budget(METHODS["replay"], course.costs.budget.stream, 16)
    assert course.costs.flash == plain.flash + 16 * 193
    assert course.costs.ram == plain.ram + 24 * 193


def test_what_does_not_fit_the_board_is_told():
    net = cl.wrist_net(cl.smartwatch_wearers(), channels=(16, 32))
    notes = {}
    for micro in (None, 2):
        strategy = cl.Strategy(cl.Replay(net, capacity=14), "never", micro_batch=micro)
        notes[micro] = cl.lived(strategy, cl.year(8), 1).notes
    assert any("KB of RAM, and Arduino" in note for note in notes[None])
    assert not any("RAM" in note for note in notes[2])


# ---- what comes out


def test_days_stop_and_a_table():
    seen = []
    for day in cl.days(cl.Strategy(cl.Finetune(NET), epochs=1), cl.year(9), 2):
        seen.append(day)
        if day.day == 3:
            break
    assert len(seen) == 4 and seen[0].accuracy.shape == (2,)
    assert "puts it on" in seen[0].events[0][0]
    life = cl.lived(cl.Strategy(cl.Finetune(NET), epochs=1), cl.year(9), 2)
    np.testing.assert_array_equal(life.accuracy[:, :4], np.stack([d.accuracy for d in seen], 1))
    table = life.table()
    assert table["sessions"].tolist() == [9, 9] and table["life"].tolist() == [0, 1]
    assert any("drawn from them again" in note for note in life.notes)


# ---- what is refused

BAD = {
    "label share above 1": (lambda: cl.year(labelled=1.5), ValueError, "labelled must be .* <= 1, got 1.5"),
    "label share below 0": (lambda: cl.year(labelled=-0.1), ValueError, "labelled must be"),
    "no day": (lambda: cl.year(0), ValueError, "days must be a whole number >= 1, got 0"),
    "more years than a battery": (lambda: cl.year(10**6), ValueError, "days must be"),
    "an unknown event": (lambda: cl.year(events={"rain": 3}), ValueError, "each of events .*'rain'"),
    "an event after the end": (
        lambda: cl.year(30, events={"other arm": 30}),
        ValueError,
        "each day of 'other arm' .* got 30",
    ),
    "the same day twice": (lambda: cl.year(events={"other arm": (5, 5)}), ValueError, "different ones"),
    "more wearers than there are": (
        lambda: cl.year(factory=9, events={"new wearer": (0, 9)}),
        ValueError,
        "'new wearer' can happen 1 times here, got 2 days",
    ),
    "events as a list": (lambda: cl.year(events=[3]), TypeError, "events must be a dict"),
    "more wearers met than there are": (lambda: cl.year(factory=11), ValueError, "factory must be"),
    "a gain of nothing left": (lambda: cl.year(gain=1), ValueError, "gain must be"),
    "Piggyback": (lambda: cl.Strategy(cl.Piggyback(NET)), TypeError, "Piggyback cannot live here"),
    "PackNet": (lambda: cl.Strategy(cl.PackNet(NET)), TypeError, "PackNet cannot live here"),
    "Separate": (lambda: cl.Strategy(cl.Separate(NET)), TypeError, "Separate cannot live here"),
    "Joint": (lambda: cl.Strategy(cl.Joint(NET)), TypeError, "Joint cannot live here"),
    "no method": (lambda: cl.Strategy(NET), TypeError, "method must be a method"),
    "an unknown word": (
        lambda: cl.Strategy(cl.Finetune(NET), "weekly"),
        ValueError,
        "when must be .*'weekly'",
    ),
    "a guard of nothing": (lambda: cl.Guard(0), ValueError, "windows must be"),
    "a guard of no kind": (lambda: cl.Guard(each="wearer"), ValueError, "each must be one of"),
    "a guard of too few": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET), guard=cl.Guard(6)), YEAR),
        ValueError,
        "the guard needs at least 7 windows, one of each class, or each='any'; got 6",
    ),
    "a guard that is a number": (
        lambda: cl.Strategy(cl.Finetune(NET), guard=3),
        TypeError,
        "guard must be None or a Guard",
    ),
    "a confidence above 1": (
        lambda: cl.Strategy(cl.Finetune(NET), pseudo=1.2),
        ValueError,
        "pseudo, a confidence",
    ),
    "a rate of 0": (lambda: cl.Strategy(cl.Finetune(NET), lr=0), ValueError, "lr must be"),
    "another arm where there is one": (
        lambda: cl.year(data=own_stream(), events={"other arm": 3}),
        ValueError,
        "'other arm' can happen 0 times here, got 1 days",
    ),
    "a wearer without a class": (
        lambda: cl.year(data=own_stream(classes=(0, 1))),
        ValueError,
        "'wearer 1' has no window of 'walk' to train on",
    ),
    "data that are no stream": (lambda: cl.year(data=cl.smartwatch()), TypeError, "data must be a Stream"),
    "classes one after the other": (
        lambda: cl.year(data=cl.split(cl.smartwatch(6))),
        ValueError,
        "domain-incremental, .* got a class-incremental stream",
    ),
    "a battery of nothing": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET)), YEAR, battery_j=0),
        ValueError,
        "battery_j must be",
    ),
    "a probability above 1": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET)), YEAR, cuts=2),
        ValueError,
        "cuts must be",
    ),
    "a method for a strategy": (
        lambda: cl.lived(cl.Finetune(NET), YEAR),
        TypeError,
        "strategy must be a Strategy",
    ),
    "a stream for a year": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET)), cl.smartwatch_arms()),
        TypeError,
        "year must be a Year",
    ),
    "an unknown board": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET)), YEAR, board="toaster"),
        ValueError,
        "board must be one of",
    ),
    "more labels asked for than wait": (
        lambda: cl.Strategy(cl.Finetune(NET), when=cl.OnLabels(65)),
        ValueError,
        "at most the newest 64 wait .*got OnLabels",
    ),
    "weights of another number of lives": (
        lambda: cl.lived(cl.Strategy(cl.Finetune(NET, weights=cl.factory(NET, YEAR, 2, epochs=1))), YEAR, 3),
        ValueError,
        "weights must have 1 lane or one for each of 3 seeds, got 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused(case):
    act, kind, words = BAD[case]
    with pytest.raises(kind, match=words):
        act()
