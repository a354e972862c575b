"""The arrows between the packages, read from their imports: em -> bayesmix -> comparisons, and never back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "em": {"em"},
    "bayesmix": {"em", "bayesmix"},
    "comparisons": {"em", "bayesmix", "comparisons"},
}
BOTTOM = {"em.errors", "em.table", "em.statistics", "em.between", "em.panel", "em.formula", "em.simulator"}
BOTTOM |= {
    "em.response",
    "em.design_counts",
    "em.families",
    *(f"em.families.{path.stem}" for path in ROOT.glob("em/families/[a-z]*.py")),
}
SAMPLERS = {"pymc", "pytensor", "arviz", "nutpie"}
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(source, name, is_package=False):
    """Full names of the modules that a file imports, also inside functions; names taken from a module stand after it.

    >>> sorted(imports("from em import fit; import numpy as np", "x"))
    ['em', 'em.fit', 'numpy']
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            up = node.level - is_package
            base = ".".join([*parts[: len(parts) - up], *filter(None, [node.module])]) if node.level else node.module
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def of(path):
    return imports(path.read_text(encoding="utf-8"), name_of(path), path.name == "__init__.py")


def tops(modules):
    return {module.split(".")[0] for module in modules}


def test_the_reader_of_imports_sees_every_kind():
    source = "import a.b\nfrom c.d import e\ndef f():\n    from . import g\n    from ..h import i\n"
    assert imports(source, "em.deep.file") == {"a.b", "c.d", "c.d.e", "em.deep", "em.deep.g", "em.h", "em.h.i"}
    assert "em.g" in imports("from .g import h", "em", is_package=True)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    ours = tops(of(path)) & set(PACKAGES)
    assert ours <= PACKAGES[package], f"{name_of(path)} imports {ours - PACKAGES[package]}"


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p).startswith("em")], ids=name_of)
def test_maximum_likelihood_needs_no_sampler(path):
    assert not tops(of(path)) & SAMPLERS


@pytest.mark.parametrize("name", sorted(BOTTOM))
def test_the_bottom_files_stand_on_each_other_only(name):
    modules = {name_of(file): file for file in FILES}
    path = modules[name]
    ours = {module for module in of(path) if module in modules and module != "em"}
    assert ours <= BOTTOM, f"{name} imports {ours - BOTTOM}"


def test_tests_of_em_need_no_other_package():
    for path in sorted((ROOT / "tests").glob("test_em_*.py")):
        assert not tops(imports(path.read_text(encoding="utf-8"), path.stem)) & ({"bayesmix", "comparisons"} | SAMPLERS)


@pytest.mark.parametrize("module", ["em", "em.estimate"])
def test_importing_em_loads_nothing_heavy(module):
    heavy = ["pymc", "pytensor", "arviz", "matplotlib", "xarray", "numba", "formulaic", "bayesmix", "comparisons"]
    heavy += ["rich"] if module == "em" else []
    program = f"import sys, {module}; print(*sorted(set({heavy}) & set(sys.modules)))"
    end = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert end.stdout.strip() == ""
