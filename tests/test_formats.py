"""One recording in every format: the same samples, the same answer from the command line, the same from the server."""

import json
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

import formats
from pqrst import artifact, cli, recordings
from pqrst.errors import RecordError
from pqrst.recordings import Limits, Told, find, read, read_bytes
from pqrst.serve.app import build
from pqrst.serve.limits import Limits as Bounds

FS = 500.0
STEPS = formats.steps()
MV = (STEPS * formats.STEP).astype(np.float32)
EIGHT = [formats.LEADS.index(name) for name in formats.EIGHT]
NAMED = {"fs": FS, "units": "mV", "leads": np.array(formats.LEADS, object)}


def _written():
    """Write each format, and say how far its samples may be from those of WFDB, in mV."""
    files = {
        "a.edf": (formats.edf(STEPS, FS), 1e-6),
        "a.csv": (formats.csv(STEPS), 1e-6),
        "muse.xml": (formats.muse(STEPS[EIGHT], FS), 1e-6),
        "coarse.xml": (formats.muse(np.round(STEPS[EIGHT] * 5 / 4.88), FS, unit="4.88"), 0.0049),
        "philips.xml": (formats.philips(STEPS, FS), 1e-6),
        "aecg.xml": (formats.aecg(STEPS, FS), 1e-6),
        "a.h5": (formats.hdf5({"tracings": MV.T[None]}, {"fs": FS, "units": "mV", "leads": list(formats.LEADS)}), 1e-6),
        "a.mat": (formats.mat(val=MV, **NAMED), 1e-6),
    }
    try:
        return files | {"a.dcm": (formats.dicom(STEPS, FS), 1e-6), "without_ending": (formats.dicom(STEPS, FS), 1e-6)}
    except ImportError:
        return files


WRITTEN = _written()
READABLE = [name for name in WRITTEN if "." in name]  # the server takes no file without an ending


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lay every file and the WFDB pair into one folder."""
    made = tmp_path_factory.mktemp("formats")
    for name, (content, _) in WRITTEN.items():
        (made / name).write_bytes(content)
    for name, content in formats.wfdb_of(STEPS, FS).items():
        (made / name).write_bytes(content)
    return made


@pytest.fixture(scope="module")
def run(untrained_attention):
    """Save an untrained network over windows of 2 s of one lead."""
    return untrained_attention(720, 720)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_gives_the_samples_of_wfdb(folder, name):
    """Twelve leads at 500 Hz, as far as the format's steps go, from the path and from the bytes."""
    expected, found = read(folder / "r.hea"), read(folder / name)
    assert found.fs == expected.fs == FS
    order = [[one.removeprefix("ECG ") for one in found.leads].index(lead) for lead in formats.LEADS]
    np.testing.assert_allclose(found.signal[order], expected.signal, atol=WRITTEN[name][1], rtol=1e-5)
    again = read_bytes({name: WRITTEN[name][0]})
    np.testing.assert_array_equal(again.signal, found.signal)
    assert (again.record, again.leads) == (found.record, found.leads)


def predicted(run, capsys, path):
    """Ask the command line about lead II."""
    assert cli.main(["predict", str(path), "--model", str(run), "--lead", "MLII=II", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_command_line_answers_every_format_as_wfdb(folder, run, capsys, name):
    """The same windows with the same probabilities, as far as the format's steps go."""
    expected, found = (predicted(run, capsys, folder / one) for one in ("r.hea", name))
    assert len(found["windows"]) == len(expected["windows"]) == 5
    for ours, theirs in zip(found["windows"], expected["windows"], strict=True):
        assert ours["probabilities"] == pytest.approx(
            theirs["probabilities"], abs=2e-6 if WRITTEN[name][1] < 1e-3 else 2e-3
        )


def test_the_server_answers_every_format(folder, run):
    """An upload of each ending gets the answer of WFDB, and a file of no kind is refused with the endings."""
    with TestClient(build(artifact.load(run), dict, Bounds())) as client:

        def asked(*names):
            parts = [("file", (name, (folder / name).read_bytes())) for name in names]
            return client.post("/predict", files=parts, data={"lead": "MLII=II"})

        expected = asked("r.hea", "r.dat").json()["recording"]["probabilities"]
        for name in READABLE:
            answer = asked(name)
            assert answer.status_code == 200, answer.text
            tolerance = 2e-6 if WRITTEN[name][1] < 1e-3 else 2e-3
            assert answer.json()["recording"]["probabilities"] == pytest.approx(expected, abs=tolerance), name
        refused = client.post("/predict", files=[("file", ("a.exe", b"MZ"))]).json()
    assert refused["error"]["expected"] == ", ".join(recordings.ENDINGS)


def test_the_page_offers_the_endings_that_are_read():
    """What the page lets one choose is what the reader knows."""
    page = Path(recordings.__file__).parents[1] / "serve" / "page" / "index.html"
    offered = page.read_text().split('accept="')[1].split('"')[0]
    assert sorted(offered.split(",")) == sorted(recordings.ENDINGS)


def test_the_table_of_formats_names_every_ending():
    """The page of formats tells of each."""
    told = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    assert [ending for ending in recordings.ENDINGS if f"`{ending}`" not in told] == []


def test_a_folder_lists_every_format(folder):
    """Each by its ending; the pair once, and what has no ending not."""
    names = [path.name for path in find(folder)]
    assert names == sorted([*READABLE, "r.hea"])


def test_a_mat_stands_for_its_header(tmp_path):
    """Of a Challenge record there is one entry; without its header it is read by itself, or refused with what to do."""
    for name in ("r.hea", "r.mat"):
        (tmp_path / name).write_bytes(b"x")
    assert find(tmp_path) == [tmp_path / "r.hea"]
    with pytest.raises(RecordError, match=r"lay its \.hea beside it"):
        read_bytes({"r.mat": bytes(24) + STEPS.astype("<i2").tobytes()})


@pytest.mark.parametrize("name", [name for name in WRITTEN if not name.endswith((".csv", ".edf"))])
def test_more_than_the_limits_is_refused(name):
    """Leads and samples are counted before they are kept."""
    content = WRITTEN[name][0]
    for limits, said in ((Limits(samples=30_000), "at most 30000 are read"), (Limits(leads=5), "at most 5 are read")):
        with pytest.raises(RecordError, match=said):
            read_bytes({name: content}, Told(), limits)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "a.csv"])  # half a table is a table
def test_half_a_file_is_one_line(name):
    """A copy that broke off is refused."""
    content = WRITTEN[name][0]
    for share in (0.3, 0.6, 0.99):
        with pytest.raises(RecordError, match="; "):
            read_bytes({name: content[: int(share * len(content))]})
