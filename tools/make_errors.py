"""Writes docs/errors.md from the code: `make errors`. A code that is raised stands there with what it says, or a test fails."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from akount import errors
from akount.api import problems

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
INSIDE = {"settings_error", "lost_claim"}
"""Never told to a caller."""
HEAD = """# Errors

Every error of the API is `application/problem+json` (RFC 9457): `type` (`urn:akount:problem:` and the code), `title`,
`status`, `detail` (a sentence for people), `code` (stable, for programs), `requestId`, and `errors` (field → sentences)
where fields are wrong. 429 and 503 say in `Retry-After` when to come back. A failed job has `code` and `detail` in `error`,
a cancelled one the code `cancelled`.

This page is made from the code by `make errors`; `…` stands for what differs from case to case.

| status | code | says |
|---|---|---|
"""

Said = tuple[int, str, str]
"""Status, code, sentence."""


@functools.cache
def said() -> tuple[Said, ...]:
    """Every code with what it says, by status."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "akount").rglob("*.py"))]
    classes = {name: (c.status, c.code, c("").detail) for name, c in vars(errors).items() if _is_error(c)}
    more = True
    while more:  # an error may stand on one of another module
        found = {name: facts for tree in trees for name, facts in _classes(tree, classes) if name not in classes}
        classes |= found
        more = bool(found)
    raised = [call for tree in trees for call in _calls(tree, classes)]
    frame = [(status, problems.code_of(status), f"{title}.") for status, title in problems.TITLES.items()]
    own = {code for _, code, _ in [*classes.values(), *raised]}
    every = [*classes.values(), *raised, *(one for one in frame if one[1] not in own)]
    return tuple(sorted({one for one in every if one[1] not in INSIDE}))


def _is_error(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, errors.AkountError)


def _classes(tree: ast.AST, known: dict[str, Said]) -> Iterator[tuple[str, Said]]:
    """Error classes that a module adds to the tree; private ones are the frame's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for base in node.bases:
                if isinstance(base, ast.Name) and base.id in known:
                    status, code, text = known[base.id]
                    values = {_target(line): line.value for line in node.body if isinstance(line, ast.Assign | ast.AnnAssign)}
                    own = values.get("code")
                    code = str(own.value) if isinstance(own, ast.Constant) else code
                    yield node.name, (status, code, ast.get_docstring(node) or text)


def _target(line: ast.Assign | ast.AnnAssign) -> str:
    target = line.targets[0] if isinstance(line, ast.Assign) else line.target
    return target.id if isinstance(target, ast.Name) else ""


def _calls(tree: ast.AST, known: dict[str, Said]) -> Iterator[Said]:
    """Errors that are made with a code of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = {k.arg: k.value for k in node.keywords}.get("code")
            if name in known and isinstance(code, ast.Constant):
                yield known[name][0], str(code.value), _sentence(node.args[0]) if node.args else known[name][2]


def _sentence(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def page() -> str:
    """The page as it should be."""
    return HEAD + "".join(f"| {status} | `{code}` | {' '.join(text.split())} |\n" for status, code, text in said())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
