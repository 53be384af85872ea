"""What a federated training is going to do, checked before it begins: clients, rounds, the server.

Lanes of the training are its seeds; lanes of a round are seeds × the clients that take part. All
chance is a function of (seed, client, round), so that a training goes on from the end of any round.
Plumbing; no lesson derives it.
"""

import math
from dataclasses import dataclass, fields

import torch

from .._refuse.arguments import choice, number, whole
from ..method import Finetune, Joint
from ..plan import Plan
from .local import Round, chance
from .members import Arrivals, Clients
from .server import RULES, FedAvg, Trimmed


@dataclass(frozen=True)
class FleetOptions:
    """How a fleet trains. TypeError or ValueError where one is out of range.

    rounds: in each phase; fraction in (0, 1]: the share of clients that the server calls in a
    round; local_epochs, batch_size, micro_batch, lr, optimizer: of a client's work, as for `learn`,
    which begins with a new optimiser. server: a name of `RULES`, or a rule with its arguments such
    as FedAdam(lr=0.1). mu: the pull towards the server's model (FedProx). dropped: probability that
    a report never comes; stragglers: that a client gets only some of its steps done, a share drawn
    evenly. clip: each report moves no further than this norm, and all count alike; noise: normal
    noise of deviation noise · clip is added to their sum, over all that were called, before the
    server's rule (`epsilon` says what that is worth). every: rounds between two points.
    """

    rounds: int = 20
    fraction: float = 1.0
    local_epochs: int = 5
    server: object = "fedavg"
    batch_size: int = 16
    lr: float = 1e-3
    optimizer: object = "adam"
    mu: float = 0.0
    dropped: float = 0.0
    stragglers: float = 0.0
    clip: float | None = None
    noise: float = 0.0
    every: int = 1
    device: object = None
    micro_batch: int | None = None

    def __post_init__(self):
        own = {k: whole(k, getattr(self, k)) for k in ("rounds", "local_epochs", "every")}
        own["fraction"] = number("fraction", self.fraction, most=1, strictly=True)
        own["mu"] = number("mu", self.mu)
        own |= {k: number(k, getattr(self, k), most=1) for k in ("dropped", "stragglers")}
        own["noise"] = number("noise", self.noise)
        if self.clip is not None:
            own["clip"] = number("clip", self.clip, strictly=True)
        elif own["noise"]:
            why = "without a clip nobody knows how much one client can move the sum"
            raise ValueError(f"noise needs a clip: {why}; got noise={self.noise} and clip=None")
        if not isinstance(self.server, FedAvg):
            own["server"] = RULES[choice("server", self.server, tuple(RULES))]
        if own["noise"] and isinstance(own.get("server", self.server), Trimmed):
            why = "a client can move it by more than clip / clients, and no ε would hold"
            raise ValueError(f"noise is for a mean: of a median or a trimmed mean, {why}")
        vars(self).update(own)

    @classmethod
    def named(cls, options):
        """Those of a dict. TypeError names one that is none."""
        known = [field.name for field in fields(cls)]
        for name in options.keys() - set(known):
            raise TypeError(f"unknown option {name!r}: a fleet takes {', '.join(known)}")
        return cls(**options)


class FleetPlan:
    """Arguments of `federate`, checked. TypeError or ValueError says what was expected.

    base: the `Plan` of the method on all samples together; stream: the `Arrivals`; options: the
    `FleetOptions`.
    """

    grid = {}

    def __init__(self, method, clients, seeds=1, **options):
        self.options = FleetOptions.named(options)
        if not isinstance(clients, Clients | Arrivals):
            want = "Clients such as smartwatch_clients() or clients(digits(), 20), or their tasks"
            raise TypeError(f"clients must be {want}, got {type(clients).__name__}")
        self.stream = clients.whole if isinstance(clients, Clients) else clients
        names = "batch_size", "micro_batch", "lr", "optimizer", "device"
        told = {k: getattr(self.options, k) for k in names}
        self.base = Plan(method, self.stream, seeds, **told)
        check_method(method)
        self.method, self.verbs = method, self.base.verbs
        self.seeds, self.axes, self.notes = self.base.seeds, self.base.axes, self.base.notes
        self.members = len(self.stream.members)
        self.called = max(1, math.ceil(self.options.fraction * self.members))
        self.spans = [self.options.rounds] * len(self.stream)

    @property
    def lanes(self):
        """Number of lanes of the common model: the seeds."""
        return len(self.seeds)

    @property
    def total(self):
        """Rounds of the whole training."""
        return sum(self.spans)

    @property
    def settings(self):
        """What the training hangs on beside the data, {name: plain value}."""
        unused = "epochs", "steps", "every", "fresh", "room"
        own = {k: v for k, v in self.base.settings.items() if k not in unused}
        told = {k: getattr(self.options, k) for k in vars(self.options) if k not in own}
        told["server"] = repr(self.options.server)
        return own | told | {"clients": self.members, "turns": [*map(list, self.stream.turns)]}

    def place(self, step):
        """(phase, rounds of it that are done) after so many rounds."""
        return divmod(step, self.options.rounds)

    def due(self, step):
        """Whether a point is taken after so many rounds."""
        done = self.place(step)[1]
        return not done or done % self.options.every == 0

    def start(self):
        """(θ, state): the server's first model {name: (seeds, …)}, and what all carry."""
        theta, hyper = self.base.start()
        own = self.verbs_of(self.lanes)
        each = [own.start(theta, self.stream, hyper) for _ in range(self.members)]
        state = {k: torch.stack([one[k] for one in each], 1) for k in each[0]}
        none = torch.zeros(self.lanes, dtype=torch.int64, device=self.base.device)
        counts = dict.fromkeys(("up", "down", "skipped"), none)
        counts["broken"] = none[:, None].repeat(1, self.members)
        server = self.options.server.start(theta) | counts
        return theta, state | {f"server.{k}": v for k, v in server.items()}

    def told_after(self, state):
        """Sentences on how it went: on each client's state, on reports that could not be used."""
        own = {k: v.flatten(0, 1) for k, v in state.items() if not k.startswith("server.")}
        told = list(self.method.notes(own)) if own else []
        for seed, client in state["server.broken"].nonzero().tolist():
            times = state["server.broken"][seed, client]
            name = self.stream.members[client]
            what = f"client {name} sent numbers that are not finite in {times} rounds"
            told.append(f"Seed {self.seeds[seed]}: {what}; they were left out.")
        for seed in state["server.skipped"].nonzero().flatten().tolist():
            times = state["server.skipped"][seed]
            what = f"no report came in {times} rounds, which changed nothing"
            told.append(f"Seed {self.seeds[seed]}: {what}.")
        return told

    def verbs_of(self, lanes):
        """The method, looked at for so many lanes where it is the reader's own."""
        return self.method if self.verbs is self.method else self.verbs.on(lanes)

    def call(self, turn):
        """Who is called in round `turn`: numbers of clients (seeds, called), in order."""
        shuffled = (torch.randperm(self.members, generator=g) for g in self._chances(turn, 0))
        return torch.stack([one[: self.called].sort().values for one in shuffled])

    def reporting(self, turn):
        """Whose report arrives, (seeds, called) bool."""
        drawn = [torch.rand(self.called, generator=g) for g in self._chances(turn, 1)]
        return torch.stack(drawn) >= self.options.dropped

    def shares(self, turn):
        """The share of its work that each client gets done, (seeds, called): 1 but for some."""
        drawn = torch.stack(
            [torch.rand(2, self.called, generator=g) for g in self._chances(turn, 2)]
        )
        late = drawn[:, 0] < self.options.stragglers
        return torch.where(late, drawn[:, 1], 1.0)

    def noise(self, turn):
        """A generator for each seed, of the noise of a round."""
        return [*self._chances(turn, 3)]

    def _chances(self, turn, what):
        """The server's chance in a round, for each seed; what: for what it is drawn."""
        for seed in self.seeds:
            own = chance(seed, self.members + what, turn)
            yield torch.Generator().manual_seed(own)

    def round(self, turn, who, epochs=None, shares=None):
        """The `Round` of the clients `who` (seeds, several); shares of the work, of each."""
        phase = min(turn // self.options.rounds, len(self.stream) - 1)
        clients = who.flatten().tolist()
        seeds = [seed for seed in self.seeds for _ in range(who.shape[1])]
        epochs = epochs or self.options.local_epochs
        share = (1.0,) * len(clients) if shares is None else tuple(shares.flatten().tolist())
        which = tuple(seeds), tuple(clients)
        met = tuple(self.met(turn, who).flatten().tolist())
        return Round(self.base, self.stream, phase, *which, epochs, turn, share, met)

    def met(self, turn, who):
        """Which of the clients `who` took part in an earlier round of this phase, bool."""
        found, nth = torch.zeros(who.shape, dtype=torch.bool), self.place(turn)[1]
        for earlier in range(turn - 1, turn - nth - 1, -1):
            if found.all():
                break
            found |= (self.call(earlier)[:, None] == who[:, :, None]).any(2)
        return found

    def samples(self, turn, who):
        """How many samples each of the clients `who` has in this phase, as floats of its shape."""
        phase = self.place(turn)[0]
        own = [len(self.stream.shares[c][t[phase]][0][1]) for c, t in enumerate(self.stream.turns)]
        return torch.tensor(own, dtype=torch.float32)[who]


def check_method(method):
    """TypeError where the common model could not answer, or one client would see all data."""
    kind = type(method)
    if kind.predict is not Finetune.predict:
        why = "it answers from what a client keeps, and the server keeps nothing of that"
        raise TypeError(f"{kind.__name__} cannot be federated: {why}; take Finetune, EWC, Replay …")
    if isinstance(method, Joint):
        way = "train(method, clients.together) is all data in one place"
        raise TypeError(
            f"Joint draws from the samples of all clients, which nobody has here: {way}"
        )
