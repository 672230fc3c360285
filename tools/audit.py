"""Writes security/audit.md. Usage: python tools/audit.py.

Asks both services that pip-audit knows about every package of this environment. Exit code 0: all
were audited and nothing is known against them; 1: something is; 2: some could not be audited, which
says nothing about them, however pip-audit itself words it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import Any

from packages import LAVA, ROOT, declared, installed

RECORD = ROOT / "security" / "audit.md"
SERVICES = {"pypi": "The Python Package Index", "osv": "OSV"}


def ask(service: str) -> dict[str, Any]:
    """Return what a service knows: how many packages were audited, which not, what was found."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off"]
    command += ["--vulnerability-service", service, "--format", "json", "--timeout", "30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    try:
        listed = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return {"audited": [], "skipped": [], "found": [], "failure": _cause(done.stderr)}
    listed = [each for each in listed if each["name"].replace("_", "-") != "lava-desire"]
    return {
        "audited": [each for each in listed if "skip_reason" not in each],
        "skipped": [each for each in listed if "skip_reason" in each],
        "found": [each for each in listed if each.get("vulns")],
        "failure": None,
    }


def _cause(errors: str) -> str:
    """Return the end of an error's last line, without the address of whom was asked."""
    lines = errors.strip().splitlines() or ["no output"]
    named = re.search(r"Name or service not known|timed out|refused|HTTP error \d+", lines[-1])
    return named.group() if named else re.sub(r"https?://\S+|host='[^']*'", "…", lines[-1])[-200:]


def paragraph(service: str, seen: dict[str, Any]) -> list[str]:
    """Return what came of asking a service, in Markdown."""
    name = SERVICES[service]
    if seen["failure"]:
        return [f"**{name}**: could not be asked ({seen['failure']}); nothing was audited.", ""]
    lines = [f"**{name}**: {len(seen['audited'])} packages audited, {len(seen['skipped'])} not."]
    reasons = {each["skip_reason"].partition(":")[0] for each in seen["skipped"]}
    lines += [f'What pip-audit says about those: "{reason}".' for reason in sorted(reasons)]
    for each in seen["found"]:
        for known in each["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version"
            lines.append(f"- {each['name']} {each['version']}: {known['id']}, mended in {mended}")
    if seen["audited"] and not seen["found"]:
        lines.append("Nothing is known against those that were audited.")
    return [*lines, ""]


def newest(name: str) -> str:
    """Return the newest version of a package that the index has for this Python."""
    command = [sys.executable, "-m", "pip", "index", "versions", name]
    command.append("--disable-pip-version-check")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"\((\S+)\)", done.stdout)
    return found.group(1) if done.returncode == 0 and found else "none for this Python"


def main() -> None:
    """Ask, write and say whether all is well."""
    versions = installed()
    seen = {service: ask(service) for service in SERVICES}
    direct = sorted(
        {*declared(), *declared("lava"), *declared("export"), *declared("tables"), LAVA}
        & versions.keys()
    )
    rows = [f"| {name} | {versions[name].split('+')[0]} | {newest(name)} |" for name in direct]
    audited = max(len(each["audited"]) for each in seen.values())
    lines = [
        "# Known vulnerabilities",
        "",
        f"Written by `make audit` on {time.strftime('%Y-%m-%d', time.gmtime())}, for the "
        f"{len(versions)} packages of the environment that",
        "`constraints.txt` gives, required ones and tools alike.",
        "",
        *[line for service, answer in seen.items() for line in paragraph(service, answer)],
    ]
    if audited < len(versions):
        lines += [
            "Where nothing was audited, nothing is known: this does not say that the packages are",
            "free of vulnerabilities. An index that serves packages and no advisories is asked in",
            'vain, and pip-audit then ends with "No known vulnerabilities found". Run `make audit`',
            "where the services can be reached.",
            "",
        ]
    lines += [
        "## Newest versions",
        "",
        "What can be asked in any case: whether the index has newer versions of what the library",
        "itself names. NumPy, asteval and networkx are held back by Lava 0.10.0.",
        "",
        "| package | pinned | newest |",
        "| --- | --- | --- |",
        *rows,
    ]
    RECORD.write_text("\n".join(lines) + "\n")
    print(RECORD.read_text())
    if any(answer["found"] for answer in seen.values()):
        sys.exit(1)
    sys.exit(2 if audited < len(versions) else 0)


if __name__ == "__main__":
    main()
