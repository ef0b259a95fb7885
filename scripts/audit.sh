#!/bin/sh
# Known vulnerabilities of what the lock file pins, by pip-audit in an environment of its own.
# Exit 1 where one is known; 0 with a line that says so where the advisories cannot be reached.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "pip-audit>=2.7" 2>/dev/null || {
  echo "audit: pip-audit cannot be installed here, nothing was audited"
  exit 0
}
"$work/venv/bin/pip-audit" -r requirements.lock --require-hashes --disable-pip --timeout 10 --progress-spinner off \
  --format json -o "$work/found.json" 2>"$work/said" || true
"$python" - "$work/found.json" <<'PYTHON'
import json, sys
from pathlib import Path

file = Path(sys.argv[1])
if not file.exists():
    print("audit: the advisories cannot be reached from here, nothing was audited")
    sys.exit(0)
packages = json.loads(file.read_text())["dependencies"]
known = [one for one in packages if "vulns" in one]
print(f"audit: {len(known)} of {len(packages)} packages looked up" + ("" if known else ": the advisories cannot be reached from here"))
for one in known:
    for found in one["vulns"]:
        print(f"  {one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version yet'}")
sys.exit(1 if any(one["vulns"] for one in known) else 0)
PYTHON
