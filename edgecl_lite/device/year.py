"""A year of a device's life: who wears it, on which arm, what is done, how the sensor ages.

    x'(t) = ½ + (1 + g(t)) (x − ½) + o(t) + σ n        g, o: random walks, folded into their bounds

Real windows of the smart watch, drawn again under this drift: a life is longer than the data. What
happens is a function of a seed; every event can be left out. Lesson: wrist.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from .._refuse.arguments import SEEDS, choice, number, several, whole
from ..data.smartwatch import ARMS, EXERCISES
from ..machine.settled import settled
from .windows import Windows, arms_of, parts_of

EVENTS = "new wearer", "other arm", "new exercise", "ageing"
USUAL = {"new wearer": (0,), "other arm": (0.2, 0.35), "new exercise": (0.5,), "ageing": (0,)}
APART = 0x51F15E35  # odd: the chance of a life apart from that of its training


@dataclass(frozen=True)
class Diary:
    """What happens in one life. Days are rows.

    met, known: wearers and exercises (exercises,) bool that the factory knows; wearer, arm (days,);
    prescribed (days, exercises) bool; gain, offset (days, channels); row (days, windows a day):
    which windows are worn, numbers of `Year.train`; labelled (days, windows a day) bool; events:
    for each day a list of sentences.
    """

    seed: int
    met: tuple
    known: torch.Tensor
    wearer: torch.Tensor
    arm: torch.Tensor
    prescribed: torch.Tensor
    gain: torch.Tensor
    offset: torch.Tensor
    row: torch.Tensor
    labelled: torch.Tensor
    events: list

    @property
    def conditions(self):
        """[(first day, last day)] of the stretches between the events that change what is asked."""
        changed = [d for d, said in enumerate(self.events) if any("ages" not in s for s in said)]
        begins = sorted({0, *changed})
        return list(zip(begins, [*(d - 1 for d in begins[1:]), len(self.events) - 1], strict=True))


@dataclass(frozen=True)
class Year:
    """What may happen; made by `year`, which says what the fields are. Checks them."""

    days: int
    wearings: int
    windows: int
    exercises: int
    programme: int
    labelled: float
    factory: int
    arms: str
    events: dict
    gain: float
    offset: float
    noise: float
    train: Windows = field(repr=False, compare=False)
    test: Windows = field(repr=False, compare=False)
    names: tuple = EXERCISES

    def __post_init__(self):
        people = len(self.train.wearer.unique())
        most = {"days": 3650, "wearings": 24, "windows": 1000, "factory": people}
        counts = "days", "wearings", "windows", "exercises", "programme", "factory"
        own = {k: whole(k, getattr(self, k), most=most.get(k, 10**6)) for k in counts}
        most = {"labelled": 1, "gain": 0.9, "offset": 0.5, "noise": 1}
        own |= {k: number(k, getattr(self, k), most=top) for k, top in most.items()}
        own["arms"] = choice("arms", self.arms, ("left", "both"))
        can = {"new wearer": people - own["factory"], "new exercise": self.classes - 2, "ageing": 1}
        can["other arm"] = own["days"] * (len(arms_of(self.train)) - 1)
        own["events"] = checked_events(self.events, own["days"], can)
        vars(self).update(own)

    @property
    def classes(self):
        """How many exercises there are at the end."""
        return len(self.names)

    @cached_property
    def notes(self):
        """Sentences that whoever reads a life should know."""
        groups = len({*zip(*(t.tolist() for t in (self.train.wearer, self.train.exercise)))})
        each, worn = len(self.train.x) / groups, self.days * self.wearings * self.windows
        what = f"about {each:.0f} windows to train on for each wearer and exercise"
        again = f"There are {what}; the {worn:,} of a life are drawn from them again and again."
        same = "What is asked comes from the ends of the same recordings"
        return [again, f"{same}: a year of new recordings would be harder."]

    def on(self, name):
        """The days of an event."""
        return self.events.get(name, ())

    @settled
    def life(self, seed):
        """The `Diary` of one life."""
        g = torch.Generator().manual_seed((seed * APART + 1) % SEEDS)
        people = self.train.wearer.unique()
        people = people[torch.randperm(len(people), generator=g)].tolist()
        met, strangers = tuple(people[: self.factory]), people[self.factory :]
        wearers = strangers if 0 in self.on("new wearer") else [met[0], *strangers]
        wearer = torch.tensor(wearers)[self._count("new wearer", after=0)]
        arm = self._count("other arm") % 2
        order = torch.randperm(self.classes, generator=g)
        first = self.classes - len(self.on("new exercise"))
        nth = order.argsort()  # of each exercise, when it comes
        prescribed = nth < (first + self._count("new exercise"))[:, None]
        channels = self.train.x.shape[1]
        drift = {k: self._walk(getattr(self, k), channels, g) for k in ("gain", "offset")}
        u = torch.rand(self.days, self.wearings, generator=g) < self.labelled
        labelled = u.repeat_interleave(self.windows, 1)
        row = self._worn(wearer, arm, self._done(prescribed, nth, g), g)
        who = seed, met, nth < first, wearer, arm, prescribed
        told = Diary(*who, **drift, row=row, labelled=labelled, events=[])
        return replace(told, events=[self._said(told, day, order) for day in range(self.days)])

    def _count(self, name, after=-1):
        """How often an event has happened up to each day, (days,); not counting one on `after`."""
        count = torch.zeros(self.days, dtype=torch.long)
        for day in self.on(name):
            count[day:] += day > after
        return count

    def _walk(self, bound, channels, g):
        """A random walk within ±bound, (days, channels), from the day on which the sensor ages.

        After a year its deviation would be the bound, but for the folding back at it.
        """
        steps = torch.randn(self.days, channels, generator=g) * bound / self.days**0.5
        begin = self.on("ageing")[0] if self.on("ageing") else self.days
        steps[: begin + 1] = 0
        walk = steps.cumsum(0)
        return ((walk + bound) % (4 * bound) - 2 * bound).abs() - bound if bound else walk

    def _done(self, prescribed, nth, g):
        """Which exercises are done on each day, a list of their numbers: those of its programme.

        A programme begins every so many days, and with a new exercise, which is then part of it.
        nth (exercises,): the order in which they come.
        """
        done = []
        for day in range(self.days):
            added = day in self.on("new exercise")
            if added or day % self.programme == 0:
                order = torch.rand(self.classes, generator=g).masked_fill(~prescribed[day], 2)
                newest = int(prescribed[day].sum()) - 1
                order[nth == newest] -= int(added)
                own = order.argsort()[: min(self.exercises, newest + 1)].tolist()
            done.append(own)
        return done

    def _worn(self, wearer, arm, done, g):
        """Which windows are worn, (days, windows a day): drawn from those of what is done."""
        shape = self.days, self.wearings * self.windows
        u, rows, pools = torch.rand(shape, generator=g), torch.zeros(shape, dtype=torch.long), {}
        for day, (who, side) in enumerate(zip(wearer.tolist(), arm.tolist(), strict=True)):
            for i in range(shape[1]):
                key = who, side, done[day][i % len(done[day])]
                if key not in pools:
                    one = torch.arange(self.classes) == key[2]
                    pools[key] = self.train.rows(*key[:2], one)
                rows[day, i] = pools[key][int(u[day, i] * len(pools[key]))]
        return rows

    def _said(self, told, day, order):
        """What happens on a day, in sentences."""
        said = []
        if day in self.on("new wearer"):
            said.append(f"wearer {told.wearer[day]} puts it on, whom the factory never met")
        if day in self.on("other arm"):
            said.append(f"it moves to the {ARMS[told.arm[day]]} arm")
        if day in self.on("new exercise"):
            n = int(told.prescribed[day].sum())
            said.append(f"{self.names[order[n - 1]]} is added")
        if day in self.on("ageing") and (self.gain or self.offset):
            said.append("the sensor ages from here on")
        return said


@settled
def year(
    days=365,
    wearings=1,
    windows=8,
    *,
    exercises=3,
    programme=14,
    labelled=1.0,
    factory=None,
    arms="both",
    events=None,
    gain=0.15,
    offset=0.05,
    noise=0.02,
    data=None,
):
    """A year that a watch may live through: a `Year`, of which `life(seed)` is one life.

    days: at most 3,650; wearings a day, windows a wearing. exercises: so many different ones are
    done at a time, by a programme that changes every `programme` days, while all that were ever
    prescribed may be asked. labelled: the share of wearings that are labelled, as a whole. factory:
    how many wearers the factory has met, others for every seed, by default half of them; arms:
    "left" or "both", on which they wore it. events: {name: days}, a day or several for each of
        "new wearer"    the watch is put on by someone the factory never met
        "other arm"     it moves to the other arm; a second day moves it back
        "new exercise"  one is added that the factory never saw
        "ageing"        from this day gain and offset of each channel drift
    days count from 0; None: someone new on day 0, the arm changed for a while in spring, an
    exercise in summer, a sensor that ages. {}: nothing ever happens, and a wearer whom the factory
    knows. gain, offset: bounds of the drift, as shares of a reading around its zero and of the
    whole range of a channel; noise: its deviation, of the range: chosen, not measured; an offset of
    0.05 is up to 0.3 g, for it stands for how the strap sits as well. data: windows of other
    wearers, a domain-incremental `Stream` with a task for each, as `readings` makes one (on one
    arm). There are far fewer windows than a life wears: they are drawn again, see `Year.notes`.
    TypeError or ValueError where an argument is out of range, or a wearer has no window of an
    exercise.
    """
    train, test, names = parts_of(data)
    if factory is None:
        factory = (len(train.wearer.unique()) + 1) // 2
    told = days, wearings, windows, exercises, programme, labelled, factory, arms, events
    return Year(*told, gain, offset, noise, train, test, names)


def checked_events(events, days, can):
    """{name: (day, …)} in order. can: {name: how often}.

    TypeError or ValueError where there is no such event or day, or it cannot happen so often.
    """
    if events is None:
        usual = {name: shares for name, shares in USUAL.items() if can[name] >= len(shares)}
        events = {k: {int(share * days) for share in shares} for k, shares in usual.items()}
    if not isinstance(events, dict):
        raise TypeError(f"events must be a dict such as {{'other arm': (73, 127)}}, got {events!r}")
    found = {}
    for name, given in events.items():
        choice("each of events", name, EVENTS)
        given = given if hasattr(given, "__iter__") else [given]
        on = [whole(f"each day of {name!r}", d, 0, days - 1) for d in several(name, given, least=0)]
        if len(set(on)) < len(on):
            raise ValueError(f"the days of {name!r} must be different ones, got {on}")
        if len(on) > can[name]:
            raise ValueError(f"{name!r} can happen {can[name]} times here, got {len(on)} days")
        found[name] = tuple(sorted(on))
    return found
