"""Human activity: 30 people carry a phone at the waist; who it is drifts, what they do is learned.

    x = (signal / span + 1) / 2    signals in g and rad/s, 128 readings at 50 Hz; span: the most

A stream of real sensors, in two forms: `split(har())` brings activity after activity,
`har_people()` person after person. Windows of a recording overlap by half, so a split never goes
through one. Anguita et al. 2013. Lesson: battery.
"""

import hashlib
import struct
import zlib
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
import torch

from .._refuse.arguments import number, several, whole
from ..machine.settled import settled
from ..models import wrist_net
from ..streams import Stream, Task
from .download import at_hand, fetched
from .images import Dataset

ACTIVITIES = "walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying"
CHANNELS = [f"{kind}_{axis}" for kind in ("total_acc", "body_acc", "body_gyro") for axis in "xyz"]
SPAN = np.float32([[2.5]] * 3 + [[1.5]] * 3 + [[6.0]] * 3)  # g, g, rad/s; most: 2.20, 1.37, 5.97
PEOPLE = range(1, 31)
TEST_PEOPLE = 2, 4, 9, 10, 12, 13, 18, 20, 24  # the original split
ROWS = {"train": 7352, "test": 2947}
LABELS = "8cc9ff8ec0d76c4a30e8881bb842d9df6f8e2f3ca7b04a2b5fa7ac597023f068"  # sha256 of the labels
FOLDER, ARCHIVE = "UCI HAR Dataset", "human+activity+recognition+using+smartphones.zip"
PAGE = "https://archive.ics.uci.edu/dataset/240"
ADDRESS = "https://archive.ics.uci.edu/static/public/240/"
INNER = 2**27  # bytes, of the archive in the archive: the original has 61 million
LEAKS = RuntimeError, struct.error  # what zipfile says of headers that make no sense
SHA256 = "c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031"  # of the archive there


@settled
def har(people=None, test_people=TEST_PEOPLE):
    """UCI HAR, 6 activities: a `Dataset` split by person, x (n, 9, 1, 128) in 0..1.

    10,299 windows of 2.56 s. people: 1 … 30, whose windows are to train on; by default all but
    `test_people`. Nobody is in both parts. Channels: total and body acceleration, ±2.5 g and ±1.5
    g, angular velocity, ±6 rad/s, each x, y, z; half stands for zero, and no reading is cut off.
    Read from `$EDGECL_DATA/uci_har`, where `uci_har_signals.npz`, a folder `UCI HAR Dataset` or the
    archive as it came may stand, else from the cache, else downloaded once (61 MB). What is
    downloaded must have the published sha256; what you put there is accepted by its content, for
    copies were packed anew: the number and width of the rows, the range of the readings, the
    checksum of all labels and people, and in an archive zip's own checksums; a folder's readings
    have none. Licence: "Any commercial use is prohibited" says the archive; the repository's page
    says CC BY 4.0. Source: D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz, "A Public
    Domain Dataset for Human Activity Recognition Using Smartphones", ESANN 2013;
    doi:10.24432/C54S4K. Errors: ValueError for people unknown or in both parts, and for a damaged
    file, OSError if it cannot be downloaded.
    """
    test_people = _people("test_people", test_people)
    if people is None:
        people = [p for p in PEOPLE if p not in test_people]
    people = _people("people", people)
    if both := set(people) & set(test_people):
        raise ValueError(f"nobody may be in people and in test_people, got {sorted(both)} in both")
    x, y, person, _ = har_windows()
    parts = [torch.isin(person, torch.tensor(who)) for who in (people, test_people)]
    return Dataset("har", *((x[part], y[part]) for part in parts), ACTIVITIES)


@settled
def har_people(people=(1, 3, 5, 6, 7), test=0.25):
    """A domain-incremental `Stream`: one task a person, the six activities in each.

    test: share of a person's recordings of an activity, whole ones, the last, that are tested on.
    Data and errors as `har`.
    """
    people, share = _people("people", people), number("test", test, strictly=True, most=0.75)
    tasks, (x, y, person, recording) = [], har_windows()
    for who in people:
        held = torch.zeros_like(y, dtype=torch.bool)
        for c in range(len(ACTIVITIES)):
            own = recording[(person == who) & (y == c)].unique()  # at least four
            held |= torch.isin(recording, own[-max(1, round(share * len(own))) :])
        parts = [(x[part], y[part]) for part in ((person == who) & ~held, held)]
        tasks.append(Task(f"person {who}", *parts, tuple(range(len(ACTIVITIES))), ACTIVITIES))
    return Stream(tasks, "domain", len(ACTIVITIES))


@settled
def har_windows():
    """All windows, in the archive's order: x (n, 9, 1, 128); activity, person, recording (n,).

    x is as in `har`. recording: the number of the unbroken recording a window is from; each of its
    windows shares its second half with the next. Activities count from 0, people from 1; all three
    are int64. Errors as `har`.
    """
    path = _found()
    try:
        signals, y, person = _parsed(path)
        if signals.shape != (want := (sum(ROWS.values()), 9, 128)):
            raise ValueError(f"expected signals {want}, found {signals.shape}")
        labels = hashlib.sha256(np.stack([y, person]).astype(np.uint8).tobytes()).hexdigest()
        if labels != LABELS:
            raise ValueError(f"expected labels and people of sha256 {LABELS}, found {labels}")
        if not ((peak := np.abs(signals).max((0, 2))) <= SPAN[:, 0]).all():  # neither is NaN
            raise ValueError(f"expected readings within ±{SPAN[:, 0]}, found up to {peak}")
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error, *LEAKS) as error:
        damage = f"{path} is damaged or another version and was not used: {str(error).rstrip('.')}"
        raise ValueError(f"{damage}. Replace it by the archive of {PAGE}, or remove it.") from None
    broken = (signals[:-1, :, 64:] != signals[1:, :, :64]).any((1, 2))
    recording = np.concatenate([[0], broken.cumsum()])
    x = torch.from_numpy((signals / SPAN + 1) / 2).unsqueeze(2)
    return x, *(torch.from_numpy(part.astype(np.int64)) for part in (y, person, recording))


har_net = wrist_net  # the same net along time: phone at the waist, watch at the wrist


def _people(name, people):
    return [whole(f"each of {name}", p, most=PEOPLE[-1]) for p in several(name, people)]


def _found():
    """Path of the data: in EDGECL_DATA, else in the cache, else downloaded there."""
    own = at_hand("uci_har", "uci_har_signals.npz", FOLDER, f"{FOLDER}.zip", ARCHIVE)
    return own or fetched("uci_har", ARCHIVE, SHA256, [ADDRESS], f"{ARCHIVE} from {PAGE}")


def _parsed(path):
    """Signals (n, 9, 128) float32 in g and rad/s, activities 0 … 5 (n,), people 1 … 30 (n,)."""
    if path.is_dir():
        return _tables(lambda name, most: _file(path / name, most))
    with ZipFile(path) as archive:
        if path.suffix == ".npz":
            rows = sum(ROWS.values())
            sizes = {"X": rows * 9 * 128, "y": rows, "subject": rows}
            return [_array(_member(archive, f"{k}.npy", 8 * n + 4096)) for k, n in sizes.items()]
        if f"{FOLDER}.zip" in archive.namelist():
            archive = ZipFile(BytesIO(_member(archive, f"{FOLDER}.zip", INNER)))
        return _tables(lambda name, most: _member(archive, f"{FOLDER}/{name}", most))


def _member(archive, name, most):
    """Bytes of a file in a zip. ValueError where they are more than `most`, whatever it says."""
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise ValueError(f"expected no password on {name}, found it encrypted")
    way = info.compress_type
    if way not in (ZIP_STORED, ZIP_DEFLATED):  # only of these can a part be unpacked
        raise ValueError(f"expected {name} stored or deflated, found compression {way}")
    if info.file_size > most:
        raise ValueError(f"expected at most {most:,} bytes in {name}, found {info.file_size:,}")
    with archive.open(info) as file:
        raw = file.read(most)
        if file.read(1):
            raise ValueError(f"expected at most {most:,} bytes in {name}, found more")
    return raw


def _file(path, most):
    """Bytes of a file. ValueError where there are more than `most`."""
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        size = path.stat().st_size
        raise ValueError(f"expected at most {most:,} bytes in {path.name}, found {size:,}")
    return raw


def _array(raw):
    """The array of numbers in the bytes of an .npy file."""
    try:
        array = np.load(BytesIO(raw), allow_pickle=False)
    except Exception as error:  # the header is read as Python, of which anything may come
        raise ValueError(f"expected an array, found {error}") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"expected arrays of numbers, found {array.dtype}")
    return array.astype(np.float32)


def _tables(read):
    """The same from the archive's text files; read(name, most): bytes of one, at most so many."""

    def table(name, columns):
        raw = read(name, ROWS[part] * (32 * columns + 2))  # the original takes 16 bytes a number
        numbers = np.loadtxt(BytesIO(raw), np.float32, ndmin=2)
        if numbers.shape != (want := (ROWS[part], columns)):
            rows = f"{want[0]} rows of {columns} in {name}"
            raise ValueError(f"expected {rows}, found {numbers.shape}")
        return numbers

    parts = []
    for part in ROWS:
        signals = [table(f"{part}/Inertial Signals/{name}_{part}.txt", 128) for name in CHANNELS]
        labels = [table(f"{part}/{name}_{part}.txt", 1)[:, 0] for name in ("y", "subject")]
        parts.append((np.stack(signals, 1), labels[0] - 1, labels[1]))
    return [np.concatenate(both) for both in zip(*parts)]
