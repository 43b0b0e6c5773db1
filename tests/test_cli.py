"""The command line."""

import argparse
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pqrst import __version__, cli, params, resolved, resolver
from pqrst.files import write_json

SETTINGS = params.load(Path(__file__).parents[1] / "params.yaml")


def test_a_module_is_the_command():
    """`python -m pqrst --version` prints the version."""
    done = subprocess.run([sys.executable, "-m", "pqrst", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pqrst {__version__}\n"


def test_an_unknown_run_is_one_line(tmp_path, capsys):
    """Recording a run that was never resolved says what to do."""
    assert cli.main(["record", "nothing", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("run", "values"), [("simple_cnn", [""]), ("coupled_alpha", ["0.1", "0.5", "1.0"])], ids=["plain", "over values"]
)
def test_a_run_is_recorded_with_each_of_its_values(tmp_path, capsys, run, values):
    """Keep one file a seed, in a folder a value where the run is made over several."""
    resolved.write(tmp_path / f"resolved/runs/{run}.yaml", resolver.resolved_files(SETTINGS)[f"runs/{run}.yaml"])
    for value in values:
        folder = tmp_path / "data/scores/heartbeat" / run / value / "seed-17"
        write_json(
            folder / "scores.json",
            {"seed": 17, "scores": {}, "provenance": {"synthetic": False}, "schema": 2, "gate": ""},
        )
        np.save(folder / "predictions.npy", np.zeros(3, np.int16))
    assert cli.main(["record", run, "--root", str(tmp_path)]) == 0
    expected = [tmp_path / "metrics/paper" / run / value / "17.json" for value in values]
    assert sorted((tmp_path / "metrics").rglob("*.json")) == expected
    assert capsys.readouterr().err.splitlines() == [f"recorded {file}" for file in expected]


def commands():
    """Give the parser of each command by its name."""
    (found,) = (action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    return found.choices


@pytest.mark.parametrize("name", commands())
def test_help_says_what_a_command_does_how_it_is_called_and_how_it_ends(name, capsys):
    """Give a sentence, examples that the command line takes, and what each exit status means."""
    command = commands()[name]
    assert re.fullmatch(r"[A-Z][^.]*\.", command.description)
    examples = re.findall(rf"^  pqrst ({name}.*)$", command.epilog, re.MULTILINE)
    assert examples
    for example in examples:
        assert cli.parser().parse_args(shlex.split(example.partition(" > ")[0])).command
    assert re.findall(r"^  (\d)  \w", command.epilog, re.MULTILINE) == ["0", "1", "2"]
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    assert "exit status:" in capsys.readouterr().out


@pytest.mark.parametrize("name", commands())
def test_every_argument_has_help(name):
    """Say of each what it is, and of the commands themselves in the list."""
    assert [action.dest for action in commands()[name]._actions if not action.help] == []
    told = cli.parser().format_help()
    assert name in told
    assert "exit status of every command" in told


def test_no_command_is_a_usage_error():
    """The usage is shown and the status is 2."""
    with pytest.raises(SystemExit, match="2"):
        cli.main([])


@pytest.fixture(scope="module")
def attention_run(untrained_attention):
    """Save an untrained attention network over windows of 2 s."""
    return untrained_attention(720, 720)


def predict(run, *arguments):
    return cli.main(["predict", *map(str, arguments), "--model", str(run)])


def test_a_record_is_answered_as_a_table(attention_run, synthetic_mitbih, capsys):
    """One line a recording, one a window where that is wanted, and a word that the run learned nothing of hearts."""
    record = min(synthetic_mitbih.glob("*.hea")).with_suffix("")
    assert predict(attention_run, record) == 0
    out, err = capsys.readouterr()
    heading, line = out.splitlines()
    assert heading.split() == ["recording", "seconds", "windows", "P(Normal)", "P(Abnormal)", "answer"]
    assert line.split()[1:3] == ["60.0", "30"]
    assert "say nothing about hearts" in err
    assert predict(attention_run, record, "--windows") == 0
    assert len(capsys.readouterr().out.splitlines()) == 32


def test_a_folder_is_answered_to_its_end(attention_run, synthetic_mitbih, tmp_path, capsys):
    """What cannot be read is a line of its own and a status; the rest is answered, as JSON lines and as CSV."""
    shutil.copytree(synthetic_mitbih, tmp_path / "all")
    (tmp_path / "all" / "0-bad.csv").write_text("MLII\n1\n2\n")
    (tmp_path / "all" / "z.hea").write_text("z 1 360 100\nz.dat 16 200 16 0 0 0 0 MLII\n")
    assert predict(attention_run, tmp_path / "all", "--json") == 1
    out, err = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert len(told) == 6
    assert {one["model"]["run"] for one in told} == {"attention"}
    assert len(told[0]["windows"]) == 30
    assert "0-bad.csv:" in err
    assert "z.hea:" in err
    assert "2 of 8 recordings could not be answered" in err
    assert predict(attention_run, tmp_path / "all", "--csv") == 1
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(lines) == 6 * 31
    whole = [float(line["Normal"]) for line in lines if not line["window"]]
    assert whole == [one["recording"]["probabilities"]["Normal"] for one in told]


def test_a_lead_is_renamed_and_a_bare_file_explained(attention_run, tmp_path, capsys):
    """--lead takes another in its place, --fs and the like say what a file does not."""
    np.save(tmp_path / "a.npy", np.sin(np.arange(3000) / 30)[None])
    assert predict(attention_run, tmp_path / "a.npy") == 1
    assert capsys.readouterr().err.count("\n") == 3  # the file, the count, the run
    told = ["--fs", "360", "--leads", "II", "--units", "mV"]
    assert predict(attention_run, tmp_path / "a.npy", *told) == 1
    assert "give another in its place with --lead MLII=NAME" in capsys.readouterr().err
    assert predict(attention_run, tmp_path / "a.npy", *told, "--lead", "MLII=II") == 0
    capsys.readouterr()
    assert predict(attention_run, tmp_path / "a.npy", *told, "--lead", "II") == 1
    assert "give LEAD=NAME" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_one_line(tmp_path, capsys):
    """What is missing, and what makes it."""
    assert predict(tmp_path, tmp_path) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_export_answers_like_the_run(attention_run, synthetic_mitbih, tmp_path, capsys):
    """The ONNX file stands in for the folder, with the same probabilities to 1e-5."""
    file, record = tmp_path / "a.onnx", min(synthetic_mitbih.glob("*.hea"))
    assert cli.main(["export", "--model", str(attention_run), "--onnx", str(file)]) == 0
    assert "differ from torch's by at most" in capsys.readouterr().err
    found = []
    for run in (attention_run, file):
        assert predict(run, record, "--json") == 0
        found.append([one["probabilities"] for one in json.loads(capsys.readouterr().out)["windows"]])
    assert np.abs(np.subtract(*found)).max() < 1e-5


def test_a_window_is_explained_in_pictures(attention_run, synthetic_mitbih, tmp_path, capsys):
    """Attention with its heads, integrated gradients and occlusion, with the beats of the annotations."""
    record = min(synthetic_mitbih.glob("*.hea"))
    given = ["explain", str(record), "--model", str(attention_run), "--out", str(tmp_path)]
    assert cli.main([*given, "--window", "3", "--marks", "atr"]) == 0
    made = sorted(path.name.removeprefix(f"{record.stem}-3-") for path in tmp_path.glob("*.png"))
    assert made == ["attention.png", "heads.png", "integrated_gradients.png", "occlusion.png"]
    assert cli.main([*given, "--window", "99"]) == 1
    assert "window 99 does not exist, the last is 29" in capsys.readouterr().err
    assert cli.main([*given, "--marks", "qrs"]) == 1
    assert "lay it beside the recording" in capsys.readouterr().err


def test_explanations_are_held_against_maps_that_know_nothing(attention_run, synthetic_mitbih, capsys):
    """One line an explanation, and two for the signal alone."""
    given = ["explain", str(synthetic_mitbih), "--model", str(attention_run), "--check", "--windows", "2"]
    assert cli.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 windows of 6 recordings")
    names = ("attention", "integrated_gradients", "occlusion", "size of the signal", "slope of the signal")
    assert [line[:22].strip() for line in lines[2:]] == list(names)


@pytest.mark.real
def test_real_records_are_answered_or_refused(attention_run, recordings, tmp_path, capsys):
    """Six records of MIT-BIH: five answer, alike by the folder and by ONNX; 102 and a twelve-lead record lack MLII."""
    files = [recordings / "mitdb" / name for name in ("100", "101", "103", "208", "232", "102")]
    twelve = next((recordings / "challenge2021").rglob("*.hea"))
    found = []
    assert cli.main(["export", "--model", str(attention_run), "--onnx", str(tmp_path / "a.onnx")]) == 0
    for run in (attention_run, tmp_path / "a.onnx"):
        assert predict(run, *files, twelve, "--json") == 1
        out, err = capsys.readouterr()
        told = [json.loads(line) for line in out.splitlines()]
        assert [one["record"] for one in told] == ["100", "101", "103", "208", "232"]
        assert [one["recording"]["windows"] for one in told] == [902] * 5
        assert "102.hea: lead MLII is missing, it has V5, V2" in err
        assert f"{twelve.name}: lead MLII is missing" in err
        found.append([window["probabilities"] for one in told for window in one["windows"]])
    assert np.abs(np.subtract(*found)).max() < 1e-5
