"""The module's own settings of torch, whatever the reader's are: float32, CPU, with gradients.

A default dtype of float64, a default device, gradients switched off or inference mode are settings
of the reader's session. What is decorated here works under its own and puts the reader's back, a
generator also between two of its values. Plumbing; no lesson derives it.
"""

from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import isgeneratorfunction

import torch


@contextmanager
def own_settings():
    """float32, on the CPU, gradients on, and afterwards again as it was."""
    dtype = torch.get_default_dtype()
    with ExitStack() as restore:
        if dtype != torch.float32:
            torch.set_default_dtype(torch.float32)
            restore.callback(torch.set_default_dtype, dtype)
        if torch.get_default_device().type != "cpu":
            restore.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            restore.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            restore.enter_context(torch.enable_grad())
        yield


def settled(function):
    """The function, or generator function, under `own_settings`."""

    @wraps(function)
    def inner(*args, **options):
        if isgeneratorfunction(function):
            return _settled(function(*args, **options))
        with own_settings():
            return function(*args, **options)

    return inner


def _settled(values):
    """The values of a generator, each made under `own_settings`."""
    try:
        while True:
            with own_settings():
                try:
                    value = next(values)
                except StopIteration:
                    return
            yield value
    finally:
        values.close()
