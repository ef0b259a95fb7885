"""The audit of the locked packages: a failure is a failure unless the network is away, and its reason is printed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "audit_findings.py"
FINE = {"name": "numpy", "version": "2.0", "vulns": []}
FAULTY = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}
UNKNOWN = {"name": "own", "skip_reason": "Dependency not found on PyPI and could not be audited: own (1.0)"}
AWAY = """Traceback (most recent call last):
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded"""
BAD_LOCK = "ERROR:pip_audit._cli:requirement file bad.lock contains invalid specifier at line 1"


@pytest.mark.parametrize(
    ("found", "said", "code", "printed"),
    [
        ([FINE, FINE], "", 0, "2 of 2 packages looked up"),
        ([FINE, FAULTY], "", 1, "old 1.0: PYSEC-1, mended in 1.1, 2.0"),
        ([FINE, UNKNOWN], "", 1, "not looked up: Dependency not found on PyPI"),
        ([UNKNOWN, UNKNOWN], "", 0, "the advisories cannot be reached from here"),
        ([], "", 1, "0 of 0 packages"),
        (None, AWAY, 0, "Max retries exceeded"),
        (None, BAD_LOCK, 1, "invalid specifier at line 1"),
        (None, "", 1, "pip-audit gave no reason"),
    ],
)
def test_only_what_the_network_keeps_away_passes(tmp_path, found, said, code, printed):
    if found is not None:
        (tmp_path / "found.json").write_text(json.dumps({"dependencies": found}))
    (tmp_path / "said").write_text(said)
    command = [sys.executable, str(SCRIPT), "requirements.lock", str(tmp_path / "found.json"), str(tmp_path / "said")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, "")
    assert printed in done.stdout
