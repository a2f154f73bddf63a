"""What is shipped besides our own code: its licences, a bill of materials, and known weaknesses.

`make licences` writes docs/licences.md, `make sbom` build/sbom.json (CycloneDX), both from requirements.txt, the lock that
the image is built from. `make audit` asks pip-audit, which has to fail when it cannot reach its data: a check that was not
made is not a check that was passed.
"""

import argparse
import json
import re
import subprocess
import sys
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
PAGE = ROOT / "docs" / "licences.md"
SBOM = ROOT / "build" / "sbom.json"
PIP_AUDIT = "pip-audit==2.10.1"

FAMILIES = {
    "public domain": r"public domain|cc0|unlicense",
    "LGPL": r"\blgpl|lesser general public",
    "GPL": r"\ba?gpl|general public",
    "MPL-2.0": r"\bmpl|mozilla public",
    "Apache-2.0": r"apache",
    "BSD": r"bsd",
    "PSF": r"\bpsf|python software",
    "MIT": r"\bmit\b|mit-|permission is hereby granted, free of charge",
}
"""The strictest that is named counts: what is copyleft is found before what is not."""
FIT = {"public domain", "MIT", "BSD", "Apache-2.0", "PSF", "MPL-2.0", "LGPL"}
ELSEWHERE = {"colorama": "BSD-3-Clause", "async-timeout": "Apache-2.0"}
"""Locked for other systems or Pythons, and so not installed here to be asked."""
VENDORED = {"swagger-ui": ("5.35.0", "Apache-2.0")}
"""Not from the lock: lies in the tree."""
HEAD = """# Licences of what is shipped

Made by `make licences` from the lock. All of it may be shipped with a closed or an open product: MIT, BSD, Apache and PSF ask
for their notice, which every wheel brings along; MPL-2.0 and LGPL are used unmodified, as libraries that a user can replace.
GPL and AGPL are refused by a test. pillow-heif, whose wheels hold x265 (GPL), is not among them.

| package | licence | family |
|---|---|---|
"""


def locked() -> dict[str, tuple[str, list[str]]]:
    """Package → version and the sha256 of its files, from the lock."""
    entry = r"^([\w.\-]+)==([\w.\-+]+)[^\n]*\\\n((?:\s+--hash=sha256:[0-9a-f]{64}[ \\]*\n)+)"
    found = re.findall(entry, LOCK.read_text(), re.MULTILINE)
    return {name.lower(): (version, re.findall(r"sha256:([0-9a-f]{64})", hashes)) for name, version, hashes in found}


def licence(name: str) -> str:
    """What a package says of itself; else what its licence file turns out to be. Empty: nothing to be found."""
    try:
        asked = distribution(name)
    except PackageNotFoundError:
        return ELSEWHERE.get(name, "")
    said = asked.metadata.get("License-Expression") or ""
    named = [c.split(" :: ")[-1] for c in asked.metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    short = (asked.metadata.get("License") or "").strip().split("\n")[0]
    words = said or "; ".join(n for n in named if n != "OSI Approved") or (short if len(short) < 60 else "")
    return words or family(_licence_file(asked))


def _licence_file(asked: Distribution) -> str:
    files = [file for file in asked.files or () if re.search(r"licen[cs]e|copying", file.name, re.IGNORECASE)]
    return "\n".join(Path(str(file.locate())).read_text(errors="replace") for file in files)


def family(words: str) -> str:
    """The strictest family that is named; empty: none that is known."""
    return next((name for name, known in FAMILIES.items() if re.search(known, words.lower())), "")


def page() -> str:
    """docs/licences.md."""
    rows = {name: licence(name) for name in locked()} | {name: said for name, (_, said) in VENDORED.items()}
    return HEAD + "".join(f"| {name} | {said} | {family(said)} |\n" for name, said in sorted(rows.items()))


def sbom() -> dict[str, Any]:
    """A bill of materials, CycloneDX 1.6: every locked package with the hashes that pip insists on."""
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    version = project[1] if project else "0"
    parts = [_component(name, number, hashes) for name, (number, hashes) in sorted(locked().items())]
    parts += [_part(name, number, f"pkg:npm/{name}@{number}", said) for name, (number, said) in VENDORED.items()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, LOCK.read_text())}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "akount", "version": version, "bom-ref": "akount"}},
        "components": parts,
        "dependencies": [{"ref": "akount", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    files = {"type": "distribution", "url": f"pkg:pypi/{name}@{version}"}  # whichever registry it is taken from
    known = [{"alg": "SHA-256", "content": one} for one in hashes]
    return _part(name, version, f"pkg:pypi/{name}@{version}", licence(name)) | {"externalReferences": [files | {"hashes": known}]}


def _part(name: str, version: str, purl: str, said: str) -> dict[str, Any]:
    licences = {"licenses": [{"license": {"name": said}}]} if said else {}
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl, **licences}


def audit() -> int:
    """pip-audit's own exit code: 0 only when every locked package was looked up and nothing is known against it."""
    uv = str(Path(sys.executable).with_name("uv"))
    asked = ("--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "-r", str(LOCK))
    return subprocess.run([uv, "tool", "run", "--from", PIP_AUDIT, "pip-audit", *asked], check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/supply.py", description=__doc__)
    parser.add_argument("what", choices=("licences", "sbom", "audit"))
    what = parser.parse_args().what
    if what == "audit":
        return audit()
    if what == "licences":
        PAGE.write_text(page())
        print(f"{PAGE} is written.")
    else:
        SBOM.parent.mkdir(exist_ok=True)
        SBOM.write_text(json.dumps(sbom(), indent=1) + "\n")
        print(f"{SBOM} is written: {len(sbom()['components'])} components.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
