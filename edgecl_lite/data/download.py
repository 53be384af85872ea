"""Files of data sets that do not come with the module: where they lie, and how they get there.

    $EDGECL_DATA/<data set>     files that you put there; they are only read
    $EDGECL_CACHE/<data set>    what was downloaded, else in the usual place of the operating system

Every download has a published sha256: plain http does no harm, the checksum decides. Plumbing; no
lesson derives it.
"""

import hashlib
import os
from pathlib import Path


def at_hand(data, *names):
    """Path of the first of these names that is in $EDGECL_DATA, or None."""
    folder = _own(data)
    paths = [folder / name for name in names] if folder else []
    return next((path for path in paths if path.exists()), None)


def fetched(data, name, sha256, addresses, files):
    """Path in the cache, where an intact copy is put by the first address that has one.

    data: the folder of the data set. files: what to put there by hand instead. Raises ValueError
    where only a damaged copy is left, OSError where there is none.
    """
    import pooch  # here, so that importing this module costs neither of the two
    import requests

    root = os.environ.get("EDGECL_CACHE") or pooch.os_cache("edgecl")
    cache = Path(root).expanduser().resolve() / data
    get = pooch.HTTPDownloader(progressbar=True, chunk_size=2**15, timeout=(5, 30))  # seconds
    silent = requests.ConnectionError, requests.ConnectTimeout, requests.ReadTimeout
    reasons = ""
    for address in addresses:
        try:  # downloads only if the cache has no intact copy, puts only an intact one there
            return Path(pooch.retrieve(address + name, sha256, name, cache, downloader=get))
        except (requests.RequestException, ValueError) as error:
            reasons += "" if type(error) in silent else f"\n{address}{name}: {error}"
    failed = f"{data}/{name} could not be downloaded"
    what = failed if reasons else f"No network: no mirror of {data} answered"
    where = f"{_own(data) or f'$EDGECL_DATA/{data}'} or {cache}, neither has an intact {name}"
    advice = f"To use it, try again later or put {files} into {where}.{reasons}"
    told = f"{what}; no lesson needs it. {advice}"
    if (cache / name).exists():
        intact(cache / name, sha256, told)
    raise OSError(told)


def intact(path, sha256, advice):
    """Bytes of a file. Raises ValueError where they are not those of the sha256."""
    found = hashlib.sha256(raw := path.read_bytes()).hexdigest()
    if found != sha256:
        damage = f"expected sha256 {sha256}, found {found} in {len(raw):,} bytes"
        raise ValueError(f"{path} is damaged and was not used: {damage}. {advice}")
    return raw


def _own(data):
    """The folder of a data set in $EDGECL_DATA, or None."""
    root = os.environ.get("EDGECL_DATA")
    return Path(root).expanduser().resolve() / data if root else None
