"""What pip-audit found out about a lock file: what is known, what could not be looked up, and whether that is a fault.

    python scripts/audit_findings.py LOCK FOUND.json SAID.txt

Exit 1 where a vulnerability is known or nothing was found out for another reason than the network; 0 with the reason
where the advisories cannot be reached.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

_AWAY = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Could not connect to PyPI"
    r"|Failed to (?:resolve|establish a new connection)|Temporary failure in name resolution|50[234] Server Error"
)
"""How requests and pip-audit say that the network or the other side is away."""
_REASON = 3
"""Last lines of what was said that are shown."""


def judge(lock: str, found: Path, said: str) -> tuple[int, list[str]]:
    """The exit code and what to print.

    Args:
        lock: Name of the lock file.
        found: What pip-audit wrote, if it did.
        said: Its standard error.
    """
    if not found.exists():
        reason = [f"  {line[:300]}" for line in said.strip().splitlines()[-_REASON:]]
        if _AWAY.search(said):
            return 0, [f"audit: {lock}: the advisories cannot be reached from here, nothing was looked up", *reason]
        return 1, [f"audit: {lock}: nothing was looked up", *(reason or ["  pip-audit gave no reason"])]
    packages: list[dict[str, Any]] = json.loads(found.read_text(encoding="utf-8"))["dependencies"]
    known = [one for one in packages if "vulns" in one]
    skipped = [str(one.get("skip_reason", one["name"])) for one in packages if "vulns" not in one]
    lines = [f"audit: {lock}: {len(known)} of {len(packages)} packages looked up"]
    if packages and not known:  # a mirror of packages answers 404 for the advisories of all of them
        lines += ["  the advisories cannot be reached from here, none of the packages has any answer; the first:"]
        return 0, [*lines, f"  {skipped[0]}"]
    lines += [f"  not looked up: {reason}" for reason in skipped]
    faults = 0
    for one in known:
        for fault in one["vulns"]:
            faults += 1
            mended = ", ".join(fault["fix_versions"]) or "no version yet"
            lines.append(f"  {one['name']} {one['version']}: {fault['id']}, mended in {mended}")
    return int(bool(faults or skipped or not packages)), lines


if __name__ == "__main__":
    code, told = judge(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_text(encoding="utf-8", errors="replace"))
    print("\n".join(told))
    sys.exit(code)
