"""Components by name: listed without an import, loaded with a helpful error, and followed by their digests."""

import doctest
import hashlib
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.parsing import parse

LOADABLE = [(kind, name) for kind in catalog.KINDS if kind != "made_up" for name in catalog.names(kind)]
OPTIONAL = ("timm_image", "vit")  # their examples need libraries that are not always there
PARTS = [(kind, name) for kind, name in LOADABLE if kind != "datasets" and name not in OPTIONAL]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Give a copy of the package's folders that a test may change."""
    copy = tmp_path / "pqrst"
    shutil.copytree(catalog.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(catalog, "PACKAGE", copy)
    return copy


def test_names_are_listed_without_importing():
    """List every kind's components with none of them, nor torch or wfdb, imported."""
    code = (
        "import sys; from pqrst import catalog; found = [catalog.names(kind) for kind in catalog.KINDS]; "
        "assert 'simple_cnn' in catalog.names('models'); "
        "print(*[m for m in sys.modules if m in ('torch', 'wfdb') or m.startswith('pqrst.') and m.count('.') > 1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_names_are_the_files_without_an_underscore(package):
    """Find a new file at once, in order, and pass shared files and the package's own by."""
    before = catalog.names("models")
    (package / "models" / "aaa.py").write_text("")
    (package / "models" / "_shared.py").write_text("")
    assert catalog.names("models") == ["aaa", *before]
    assert before == sorted(before)
    assert not [name for name in before if name.startswith("_")]


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_every_kind_has_its_folder(kind):
    """Keep a package with a docstring for each kind, also for one that has no component yet."""
    assert (catalog.PACKAGE / kind / "__init__.py").read_text().startswith('"""')


def test_every_folder_is_a_kind():
    """Let no folder of components stand outside the catalogue."""
    folders = {path.parent.name for path in catalog.PACKAGE.glob("*/__init__.py")}
    assert folders - {"cli", "serve", "starters", "recordings"} == set(catalog.KINDS)


@pytest.mark.parametrize(("kind", "name"), LOADABLE)
def test_a_component_loads_and_has_settings(kind, name):
    """Import a component by its name."""
    module = catalog.load(kind, name)
    assert module.__name__ == f"pqrst.{kind}.{name}"
    assert isinstance(module.Params(), module.Params)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_the_docstring_example_runs(kind, name):
    """Run the example in the module's docstring."""
    failed, tried = doctest.testmod(catalog.load(kind, name))
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize(("kind", "name"), [*PARTS, *(("models", name) for name in OPTIONAL)])
def test_settings_have_defaults_are_frozen_and_pass_the_parser(kind, name):
    """Build Params from nothing, refuse to change it, and read it back from plain YAML types."""
    settings = catalog.load(kind, name).Params
    p = settings()
    with pytest.raises(FrozenInstanceError):
        setattr(p, fields(p)[0].name, None)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(p).items()}
    assert parse(settings, plain, f"{kind}.{name}") == parse(settings, {}, f"{kind}.{name}") == p


@pytest.mark.parametrize(
    ("kind", "name", "path", "message"),
    [
        (
            "models",
            "simple_cn",
            "runs.a.model",
            "runs.a.model: there is no model 'simple_cn'; did you mean simple_cnn?",
        ),
        ("models", "simple_cn", "", "models: there is no model 'simple_cn'; did you mean simple_cnn?"),
        ("datasets", "heartbea", "", "datasets: there is no dataset 'heartbea'; did you mean heartbeat?"),
        ("made_up", "mitd", "", "made_up: there is no made_up 'mitd'; did you mean mitdb?"),
        ("models", "_blocks", "", "models: there is no model '_blocks'; known: "),
        ("classifiers", "forest", "", "classifiers: there is no classifier 'forest'; known: "),
    ],
)
def test_an_unknown_name_gets_the_nearest(kind, name, path, message):
    """Say which setting names nothing, and what it may have meant."""
    with pytest.raises(SettingsError) as caught:
        catalog.load(kind, name, path)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("kind", "name", "files"),
    [
        ("frontends", "icwa", ["frontends/icwa.py"]),
        ("models", "simple_cnn", ["models/_blocks.py", "models/simple_cnn.py"]),
        ("losses", "iwl", ["losses/_weighting.py", "losses/iwl.py"]),
        ("made_up", "mitdb", ["made_up/_files.py", "made_up/_two_leads.py", "made_up/mitdb.py"]),
        ("datasets", "mitdb", ["datasets/_mitbih.py", "datasets/mitdb.py"]),
    ],
)
def test_digests_follow_the_shared_files(kind, name, files):
    """Name a component's file and all shared files that it reaches, each with its SHA-256."""
    found = catalog.digests(kind, name)
    assert list(found) == files
    assert found == {file: hashlib.sha256((catalog.PACKAGE / file).read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("file", ["models/simple_cnn.py", "models/_blocks.py"])
def test_a_digest_changes_with_its_file(package, file):
    """Change the digest of a file that changed, and of no other."""
    before = catalog.digests("models", "simple_cnn")
    with (package / file).open("a") as text:
        text.write("# changed\n")
    after = catalog.digests("models", "simple_cnn")
    assert {name for name in before if before[name] != after[name]} == {file}


def test_a_digest_ignores_files_that_are_not_reached(package):
    """Keep a component's digests when another component changes."""
    before = catalog.digests("models", "simple_cnn")
    with (package / "models" / "coupled_cnn.py").open("a") as text:
        text.write("# changed\n")
    assert catalog.digests("models", "simple_cnn") == before


def test_digests_end_where_shared_files_import_each_other(package):
    """Count each file once, also in a circle."""
    (package / "models" / "_one.py").write_text("from pqrst.models import _two\n")
    (package / "models" / "_two.py").write_text("from pqrst.models._one import x\n")
    (package / "models" / "ring.py").write_text("from pqrst.models import _one, _two\n")
    assert list(catalog.digests("models", "ring")) == ["models/_one.py", "models/_two.py", "models/ring.py"]
