#!/bin/sh
# Known vulnerabilities of what the lock files pin, by pip-audit in an environment of its own. What counts as a fault,
# and what is only the network: audit_findings.py.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3.11}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/venv"
if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check "pip-audit>=2.7" 2>"$work/said"; then
  "$python" scripts/audit_findings.py "pip-audit, which cannot be installed" "$work/none" "$work/said"
  exit
fi
failed=0
audit() {
  lock=$1
  shift
  # Its exit code says less than what it wrote: 1 for a finding and for any failure.
  "$work/venv/bin/pip-audit" -r "$lock" "$@" --disable-pip --timeout 10 --progress-spinner off \
    --format json -o "$work/$lock.json" 2>"$work/said" || true
  "$python" scripts/audit_findings.py "$lock" "$work/$lock.json" "$work/said" || failed=1
}
audit requirements.lock --require-hashes
audit requirements-train.lock --no-deps # has no hashes; its packages name no others
exit $failed
