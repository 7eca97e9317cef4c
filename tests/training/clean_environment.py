"""An environment that has TensorFlow and what it needs, and nothing else: where models are served.

Packages are linked from the environment of the tests, so that it costs no download.
"""

import sys
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def needed_by(package, found=None):
    """The distributions that a package needs, itself included."""
    found = {} if found is None else found
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:  # for another platform or Python
        return found
    name = distribution.metadata["Name"].lower()
    if name not in found:
        found[name] = distribution
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed_by(requirement.name, found)
    return found


def tensorflow_alone(directory: Path) -> Path:
    """Makes the environment in `directory`; its Python."""
    venv.create(directory, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = directory / "lib" / version / "site-packages"
    for distribution in needed_by("tensorflow").values():
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            link = site / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    return directory / "bin" / "python"
