"""What importing costs."""

import subprocess
import sys


def test_importing_lossforge_imports_no_tensorflow():
    code = "import sys, lossforge; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
