"""Opening an index imports no more than its engine needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_packages_bring_neither_torch_nor_elasticsearch(tmp_path: Path) -> None:
    code = (
        "import sys, indexer, indexer.embedded; indexer.open_index(sys.argv[1], create=True);"
        "print([name for name in ('torch', 'elasticsearch') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "i")], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
