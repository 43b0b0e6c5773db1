"""What stages read: each file typed, complete, and the same bytes when it is written again."""

from dataclasses import asdict
from pathlib import Path

import pytest

from pqrst import params, resolved, resolver
from pqrst.errors import SettingsError

SETTINGS = params.load(Path(__file__).resolve().parents[1] / "params.yaml")
FILES = resolver.resolved_files(SETTINGS)
KINDS = {
    "download": resolved.Download,
    "segment": resolved.Segment,
    "split": resolved.Splits,
    "encode": resolved.Encode,
    "scores.yaml": resolved.Scores,
}


def written(folder, name):
    resolved.write(folder / name, FILES[name])
    return folder / name


@pytest.mark.parametrize("name", [name for name in FILES if name.partition("/")[0] in KINDS])
def test_a_file_of_the_data_reads_back_as_written(tmp_path, name):
    """Read each as its kind, and write the same bytes from what was read."""
    found = resolved.read(KINDS[name.partition("/")[0]], written(tmp_path, name))
    again = {key: value for key, value in asdict(found).items() if value is not None}
    resolved.write(tmp_path / "again", again)
    assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()


def test_tables_read_back_as_they_are_set(tmp_path):
    """Give the tables of each family by name."""
    for family, page in SETTINGS.tables.items():
        assert resolved.read_tables(written(tmp_path, f"tables/{family}.yaml")) == page


def test_what_is_fetched_is_not_made_up(tmp_path):
    """Leave number, length, seed and code of made-up recordings out of a file without them."""
    resolved.write(tmp_path / "a.yaml", {"database": "mitdb", "source": "hosts", "settings": {}})
    assert resolved.read(resolved.Download, tmp_path / "a.yaml") == resolved.Download("mitdb", "hosts", {})


def test_resolved_settings_read_back_as_written(tmp_path):
    """Write every run's settings, and write the same bytes from what was read."""
    for name, variants in resolver.resolve(SETTINGS).items():
        file = written(tmp_path, f"runs/{name}.yaml")
        read = resolved.read_run(file)
        assert [run.value for run in read] == [run.value for run in variants]
        again = {"over": {run.value: asdict(run) for run in read}} if read[0].value else asdict(read[0])
        resolved.write(tmp_path / "again", again)
        assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_a_missing_resolved_file_names_the_next_step(tmp_path):
    """Tell a user what makes the file."""
    with pytest.raises(SettingsError, match="is missing; run `dvc repro resolve`"):
        resolved.read(resolved.Scores, tmp_path / "scores.yaml")


def test_a_file_of_another_kind_is_one_line(tmp_path):
    """Refuse what a stage does not know, by its place."""
    with pytest.raises(SettingsError, match=r"^scores\.scores is not a setting; "):
        resolved.read(resolved.Splits, written(tmp_path, "scores.yaml"))
