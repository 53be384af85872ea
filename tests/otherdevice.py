"""A second device on a machine that has none: its tensors hold real numbers, and only the CPU computes.

    with second_device("mps"): train(EWC(net), stream, device="mps")     # gives what the CPU gives, or raises

Every operation is unwrapped, computed by the CPU and wrapped again, below autograd and `torch.func`, so that
`item`, `nonzero` and the control flow that hangs on them work. It is as strict as a device: tensors of two
devices in one operation (but for a number of the CPU, a tensor without axes, where torch takes one, and for
an index of the CPU), float64 on "mps", NumPy, a generator of the CPU are refused in torch's own words. What
the device draws itself comes from dice of its own, which `torch.manual_seed` of the CPU does not set.

Not covered: the device's own arithmetic (other roundings, orders of a sum, bugs), which kernels there take
which integer or bool (`without_kernel` only says which operations have none at all), its memory, speed, and
its waiting; code that looks at `device` inside `vmap` (there it says "meta"); more than one such device.
"""

import contextlib
import functools
import re
from pathlib import Path
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

META = torch.device("meta")  # what C++ takes it for: autograd wants a device that every build of torch knows
ANYWHERE = ("aten::copy_", "aten::_to_copy", "aten::_has_compatible_shallow_copy_type")  # any two devices
INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
NUMBERS = ("aten::fill", "aten::fill_", "aten::masked_fill", "aten::masked_fill_", "aten::where")
NO_DOUBLE = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)


class Elsewhere(torch.Tensor):
    """A tensor of the second device: `inner` holds its numbers, on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner, home):
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset()}
        return cls._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=META, **layout)

    def __init__(self, inner, home):
        self.inner, self.home = inner, home

    device = property(lambda self: self.home)
    is_cpu = is_meta = property(lambda self: False)
    is_mps = property(lambda self: self.home.type == "mps")
    is_cuda = property(lambda self: self.home.type == "cuda")

    def numpy(self, *, force=False):
        if force:
            return self.detach().cpu().numpy()
        what = f"can't convert {self.home} device type tensor to numpy"
        raise TypeError(f"{what}. Use Tensor.cpu() to copy the tensor to host memory first.")

    def tolist(self):
        return self.cpu().tolist()

    def __format__(self, spec):
        return format(self.item() if not self.dim() else repr(self), spec)

    def __repr__(self):
        return f"{self.inner!r} on {self.home}"

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        raise AssertionError(f"{op} of a tensor of the second device, outside of second_device()")


class Computes(TorchDispatchMode):
    """Below autograd: refuses what the device would refuse, and lets the CPU compute the rest."""

    def __init__(self, home):
        super().__init__()
        self.home, self.ops = home, set()
        self.dice = torch.Generator().manual_seed(2**31 - 1).get_state()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        ours = {id(t.inner): t for t in tensors if isinstance(t, Elsewhere)}
        assert not any(t.device == META for t in tensors), f"{op}: a tensor without numbers slipped in"
        here = bool(ours)
        if (to := kwargs.get("device")) is not None:
            here, kwargs["device"] = to == META, torch.device("cpu")
        elif op._schema.name == "aten::copy_":
            here = isinstance(args[0], Elsewhere)
        if ours and op._schema.name not in ANYWHERE:
            self.refuse_two(op, args, tensors)
        if here:
            self.ops.add(op)
            self.refuse_double(kwargs.get("dtype"))
        unwrap = lambda t: t.inner if isinstance(t, Elsewhere) else t
        with self.own_dice(op, kwargs) if here else contextlib.nullcontext():
            out = op(*tree_map(unwrap, args), **tree_map(unwrap, kwargs))
        return tree_map(lambda t: self.wrapped(t, ours), out) if here else out

    def wrapped(self, t, ours):
        """A result as a tensor of the device; what was changed in place is what came."""
        if not isinstance(t, torch.Tensor):
            return t
        self.refuse_double(t.dtype)
        return ours.get(id(t)) if id(t) in ours else Elsewhere(t, self.home)

    def refuse_double(self, dtype):
        if self.home.type == "mps" and dtype in (torch.float64, torch.complex128):
            raise TypeError(NO_DOUBLE)

    def refuse_two(self, op, args, tensors):
        """RuntimeError where a tensor of the CPU stands where a device takes none."""
        strangers = [t for t in tensors if not isinstance(t, Elsewhere)]
        name = op._schema.name
        if name in INDEXED:
            table, index, *values = args
            if not isinstance(table, Elsewhere):
                want = "either on cpu or on the same device as the indexed tensor (cpu)"
                raise RuntimeError(f"indices should be {want}")
            values = [v for v in values if isinstance(v, torch.Tensor)]
            strangers = [v for v in values if not isinstance(v, Elsewhere) and v.dim()]
        elif torch.Tag.pointwise in op.tags or name in NUMBERS:
            strangers = [t for t in strangers if t.dim()]
        if strangers:
            both = f"at least two devices, {self.home} and cpu"
            raise RuntimeError(f"Expected all tensors to be on the same device, but found {both}! ({op})")

    @contextlib.contextmanager
    def own_dice(self, op, kwargs):
        """The device's generator instead of the CPU's, which stays as it is."""
        if kwargs.get("generator") is not None:
            want = f"Expected a '{self.home.type}' device type for generator but found 'cpu'"
            raise RuntimeError(want)
        if torch.Tag.nondeterministic_seeded not in op.tags:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.dice)
            yield
            self.dice = torch.get_rng_state()


class Names(TorchFunctionMode):
    """Above autograd: tells C++ "meta" for the device's name, and carries over what C++ would fill itself."""

    def __init__(self, home):
        super().__init__()
        self.home = home

    def __torch_function__(self, call, types, args=(), kwargs=None):
        if call is torch.device:
            return call(*args, **(kwargs or {}))
        kwargs = {k: self.meant(v) for k, v in (kwargs or {}).items()}
        args = tuple(self.meant(a) for a in args)
        if call in (torch.tensor, torch.as_tensor, torch.asarray) and kwargs.get("device") == META:
            return call(*args, **{**kwargs, "device": "cpu"}).to(META)
        if call in (torch.tensor, torch.as_tensor) and isinstance(args[0], Elsewhere):
            return args[0].detach().clone() if call is torch.tensor else args[0]
        if call in (torch.Tensor.new_tensor, torch.Tensor.new) and isinstance(args[0], Elsewhere):
            return torch.tensor(*args[1:], **{"device": "cpu", **kwargs}).to(META)
        if call in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and isinstance(args[0], Elsewhere):
            args = (args[0], self.index(args[1]), *args[2:])
        return call(*args, **kwargs)

    def meant(self, value):
        if isinstance(value, str) and value.split(":")[0] == self.home.type:
            return META
        return META if isinstance(value, torch.device) and value.type == self.home.type else value

    def index(self, index):
        """Lists among the indices as tensors of the device, as C++ would make them."""
        if isinstance(index, list):
            return torch.tensor(index, dtype=None if index else torch.long).to(META)
        return tuple(map(self.index, index)) if isinstance(index, tuple) else index


@contextlib.contextmanager
def second_device(name="mps"):
    """A device called "mps" or "cuda" that torch says is there. Gives the mode: `.ops` are those it ran."""
    mode, there = Computes(torch.device(name, 0)), {"mps": torch.backends.mps, "cuda": torch.cuda}[name]
    with mock.patch.object(there, "is_available", lambda: True), Names(mode.home), mode:
        yield mode


@functools.cache
def kernels():
    """Torch's own table: {operation: (the keys it has kernels for, the operation it leaves that to)}."""
    from torchgen import packaged

    text = (Path(packaged.__path__[0]) / "ATen/native/native_functions.yaml").read_text(encoding="utf-8")
    table = {}
    for entry in re.split(r"^- func: ", text, flags=re.M)[1:]:
        _, _, dispatch = entry.partition("\n  dispatch:\n")
        lines = re.findall(r"^    ([\w, ]+): ", re.split(r"^  \w", dispatch, flags=re.M)[0], re.M)
        delegate = re.search(r"^  structured_delegate: (\S+)", entry, re.M)
        keys = {key for line in lines for key in line.split(", ")}
        table[entry.split("(")[0]] = keys, delegate and delegate[1]
    return table


def without_kernel(ops, device="MPS"):
    """Those operations for which that table names no kernel of the device: names, sorted."""
    table, found = kernels(), []
    for op in ops:
        name = str(op).removeprefix("aten.").removesuffix(".default")
        keys, delegate = table.get(name, ({"no such operation"}, None))
        keys = table[delegate][0] if delegate else keys
        general = not keys or any(key.startswith("Composite") for key in keys)
        if op.namespace == "aten" and not general and device not in keys:
            found.append(name)
    return sorted(found)
