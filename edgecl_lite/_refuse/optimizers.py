"""What is refused of where, and by what, a network learns: devices, optimisers of one's own."""

import torch

from ..lanes import copied, lanes_of

# ---- where, and by what, it learns


def check_kind(optimizer, known):
    """Raises ValueError where an optimiser is neither one of the known names nor a callable."""
    if not callable(optimizer) and optimizer not in known:
        names = "'adam', 'sgd' or a callable(tensors, lr=…)"
        raise ValueError(f"optimizer must be {names}, got {optimizer!r}")


def check_device(device):
    """Raises ValueError where this machine has no such device."""
    if device is None:
        return
    try:
        if torch.empty(1, device=device).device.type == "meta":
            raise ValueError("'meta' holds no numbers")
        torch.ones(1, device=device).add(1).cpu()
    except Exception as error:  # torch raises AssertionError, RuntimeError or others, by device
        why = str(error).partition("\n")[0]
        want = "device must be one that this machine has; leave it out to use the CPU"
        raise ValueError(f"{want}. Got {device!r}: {why}") from None


def check_optimizer(make, params, lr):
    """Try an optimiser of the reader's own for two steps, one lane alone and beside a larger one.

    Raises TypeError where it is no optimiser, draws random numbers, or needs more than gradients;
    ValueError where the first lane goes another way beside the second. Torch's global generator
    stays as it was.
    """
    one = {k: p[:1] for k, p in params.items()}
    with torch.random.fork_rng(devices=[]):
        dice = torch.get_rng_state()
        alone = two_steps(make, one, lr)
        if not torch.equal(dice, torch.get_rng_state()):
            why = "or no seed could be trained again"
            raise TypeError(f"optimizer must draw no random numbers, {why}")
    if lanes_of(params) == 1:
        return
    two = {k: torch.cat([p[:1], 1e3 * p[:1] + 1]) for k, p in params.items()}
    with torch.random.fork_rng(devices=[]):
        beside = two_steps(make, two, lr)
    for name, a in alone.items():
        moved = (a - one[name]).abs().max()
        if not (a - beside[name][:1]).abs().max() <= 1e-3 * moved + 1e-6 * one[name].abs().max():
            what = "it clips or scales by the norm of whole tensors, of which each holds all lanes"
            way = "train one seed and one value at a time, or clip inside a method's loss"
            got = f"moves {name!r} of one lane otherwise when another lane is there"
            raise ValueError(f"optimizer must move each lane by itself, and {got}: {what}; {way}")


def two_steps(make, params, lr):
    """The params after two steps; the second lane's gradient is a million times the first one's."""
    params, pull = {k: p.requires_grad_() for k, p in copied(params).items()}, [1.0, 1e6]
    try:
        opt = make(list(params.values()), lr=lr)
        for _ in range(2):
            opt.zero_grad()
            for p in params.values():
                slope = torch.linspace(-1, 1, p[0].numel(), device=p.device).view(p[0].shape)
                p.grad = torch.stack([scale * slope for scale in pull[: len(p)]])
            opt.step()
    except Exception as error:
        made = "a torch optimiser whose step() needs nothing else"
        want = f"a callable(tensors, lr=…) that gives {made}"
        raise TypeError(f"optimizer must be {want}, this one fails: {error!r}") from error
    return copied(params)
