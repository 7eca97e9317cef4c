"""What is in the tree is in the package."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_setup_cfg_lists_every_package():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "lossforge").rglob("__init__.py")
    }
    assert listed == found | {"lossforge.recipes", "lossforge.search_spaces"}


def test_no_folder_of_the_package_lacks_an_init():
    folders = {path.parent for path in (ROOT / "lossforge").rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)
