"""The same clients and the same rule of the server as two apps of Flower, for many machines.

    ClientApp    a message with θ comes in → the work of a client → a message with θₖ goes out
    ServerApp    Flower's own loop over the rounds, with its own FedAvg or with a rule of ours

What a client carries lies in its `Context` from round to round. `in_kernel.py` runs both apps in
this process. Beutel et al. 2020. Lesson: federated_learning.
"""

import logging
import os
import tempfile

import torch

from .._refuse.engine import check_called, check_flower
from ..machine.settled import settled
from .plan import FleetPlan
from .rounds import alone, apart, called, merged, to_clients
from .server import FedAvg as Mean

check_flower()
os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}  # read at import
if "FLWR_HOME" not in os.environ:  # Flower would write into the reader's home
    HOME = tempfile.TemporaryDirectory(prefix="edgecl-flower-", ignore_cleanup_errors=True)
    os.environ["FLWR_HOME"] = HOME.name

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

logging.getLogger("flwr").setLevel(logging.CRITICAL)


def record(tree):
    """A dict of tensors as Flower sends it."""
    return ArrayRecord({k: Array(v.detach().cpu().numpy()) for k, v in tree.items()})


def tree_of(record):
    """The way back."""
    return {k: torch.from_numpy(v.numpy()) for k, v in record.items()}


def client_app(method, clients, seed=0, **options):
    """A `ClientApp` that works as one of the clients, which its node's "partition-id" tells."""
    plan, app = check_called(FleetPlan(method, clients, [seed], **options)), ClientApp()

    @app.train()
    @settled
    def train(message, context):
        me, turn = context.node_config["partition-id"], message.content["config"]["server-round"]
        who, theta = torch.tensor([[me]]), tree_of(message.content["arrays"])
        if "own" not in context.state:
            context.state["own"] = record(called(apart(plan.start()[1])[0], who))
        state = tree_of(context.state["own"])
        report, state = alone(plan, turn - 1, me, theta, state)
        context.state["own"] = record(state)
        told = {"num-examples": int(plan.samples(turn - 1, who)), "client": me}
        content = RecordDict({"arrays": record(report), "metrics": MetricRecord(told)})
        return Message(content, reply_to=message)

    return app


class Rule(FedAvg):
    """A rule of ours as a Strategy; a report that does not come counts as one of NaN."""

    plan = theta = carried = None

    def configure_train(self, server_round, arrays, config, grid):
        self.theta = tree_of(arrays)
        return super().configure_train(server_round, arrays, config, grid)

    @settled
    def aggregate_train(self, server_round, replies):
        n, step = self.plan.members, server_round - 1
        reports = {k: v[None] * torch.nan for k, v in to_clients(self.theta, n).items()}
        for content in (reply.content for reply in replies if reply.has_content()):
            for k, v in tree_of(content["arrays"]).items():
                reports[k][:, content["metrics"]["client"]] = v
        who = torch.arange(n)[None]
        theta, self.carried, _ = merged(self.plan, step, self.theta, reports, who, self.carried)
        return record(theta), None


def server_app(method, clients, seed=0, seen=None, **options):
    """A `ServerApp`. seen(step, θ) is called at the start and after every round."""
    plan, app = check_called(FleetPlan(method, clients, [seed], **options)), ServerApp()

    @app.main()
    def main(grid, context):
        theta, state = plan.start()
        told, n = plan.options, plan.members
        plain = type(told.server) is Mean and told.clip is None and not told.dropped
        rule = (FedAvg if plain else Rule)(1.0, 0.0, n, 0, n)  # all train, none evaluates
        rule.plan, rule.carried = plan, apart(state)[1]
        look = seen and (lambda turn, arrays: seen(turn, tree_of(arrays)))
        rule.start(grid, record(theta), plan.total, evaluate_fn=look)

    return app
