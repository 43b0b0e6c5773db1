"""Twelve leads from the bytes of a header and a signal file: exactly what they say, or one line."""

import random

import numpy as np
import pytest
import wfdb

from pqrst import packs
from pqrst.datasets import _wfdb12
from pqrst.datasets._wfdb12 import LEADS, MISSING, Recording
from pqrst.errors import RecordError

# (12, 3): lead k holds k, 10 k and -k, so that its checksum is 10 k
STEPS = np.array([[k, 10 * k, -k] for k in range(12)], np.int16)


def header(names=LEADS, packing="16+24", scale="1000/mV", first="E1 12 500 3", steps=STEPS, file="E1.mat"):
    lines = [first]
    for name, lead in zip(names, steps, strict=False):
        lines.append(f"{file} {packing} {scale} 16 0 {lead[0]} {int(lead.sum(dtype=np.int64))} 0 {name}")
    return "\n".join([*lines, "#Age: 85", "# Dx: 1,2"]).encode() + b"\n"


def content(steps=STEPS, offset=24):
    return bytes(offset) + steps.T.astype("<i2").tobytes()


def read(told=None, held=None, file="E1.mat", **more):
    return _wfdb12.read("1", file, header() if told is None else told, content() if held is None else held, **more)


def fault_of(told=None, held=None, **more):
    """Expect one line that names the recording, and give it."""
    with pytest.raises(RecordError) as caught:
        read(told, held, **more)
    assert str(caught.value).startswith("record 1: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_samples_come_lead_by_lead():
    """Interleaved samples behind 24 bytes become rows, in the converter's integers."""
    found = read()
    assert found.signal.tolist() == STEPS.tolist()
    assert found.signal.dtype == np.int16
    assert found.signal.flags.c_contiguous
    assert (found.fs, found.gain, found.zero) == (500.0, (1000.0,) * 12, (0,) * 12)
    assert found.comments == ("Age: 85", "Dx: 1,2")
    assert found.ends == ((-32767, 32767),) * 12


@pytest.mark.parametrize("packing", ["16", "16x1"])
def test_samples_may_begin_at_once(packing):
    """PTB-XL's files have nothing before the first sample."""
    assert read(header(packing=packing), content(offset=0)).signal.tolist() == STEPS.tolist()


@pytest.mark.parametrize(
    ("scale", "gain", "zero"),
    [
        ("1000/mV", 1000, 0),
        ("1000.0(0)/mV", 1000, 0),
        ("1000/mv", 1000, 0),
        ("4880", 4880, 0),
        ("306.5(-14)/mV", 306.5, -14),
        ("0.5(7)/uV", 500, 7),
    ],
)
def test_gain_and_zero_are_read(scale, gain, zero):
    """Steps per mV, in either style, with the unit in any case; steps per µV become steps per mV."""
    found = read(header(scale=scale))
    assert found.gain == (float(gain),) * 12
    assert found.zero == (zero,) * 12


def test_the_converters_zero_stands_in_for_the_baseline():
    """Without a baseline in brackets the fifth field is that of 0 mV, lead by lead."""
    told = header().replace(b"1000/mV 16 0 3 ", b"500/mV 16 42 3 ")
    assert read(told).zero == (0, 0, 0, 42, *[0] * 8)
    assert read(told).gain == (1000, 1000, 1000, 500, *[1000] * 8)
    assert read(told.replace(b"500/mV", b"500(9)/mV")).zero[3] == 9


def test_leads_are_matched_by_name():
    """Whatever their order and case in the file, they come out in the standard one."""
    order = random.Random(0).sample(range(12), 12)
    names = [LEADS[k].upper() if k % 2 else LEADS[k].lower() for k in order]
    found = read(header(names, steps=STEPS[order]), content(STEPS[order]))
    assert found.signal.tolist() == STEPS.tolist()


def test_a_stray_ending_on_the_name_is_accepted():
    """Some of the Challenge's headers call the recording by its file."""
    assert read(header(first="E1.mat 12 500 3 05-May-2020 14:50:55")).signal.tolist() == STEPS.tolist()


def test_line_ends_and_blanks_do_not_matter():
    """CRLF, blank lines and a mark of UTF-8 are ordinary text."""
    told = b"\xef\xbb\xbf# a comment\r\n\r\n" + header().replace(b"\n", b"  \r\n")
    assert read(told).signal.tolist() == STEPS.tolist()


def test_checksums_count_modulo_65536():
    """They may be written with a sign or without."""
    steps = np.full((12, 3), 30_000, np.int16)  # 90,000 = 65,536 + 24,464
    for checksum in (b"24464", b"-41072", b"90000"):
        told = header(steps=steps).replace(b" 90000 0 ", b" " + checksum + b" 0 ")
        assert read(told, content(steps)).signal.tolist() == steps.tolist()
    assert "lead I has checksum 24464, its header says 24465" in fault_of(
        header(steps=steps).replace(b" 90000 0 I\n", b" 24465 0 I\n"), content(steps)
    )


@pytest.mark.parametrize("fields", ["16 0 0 0 0", "16 0 0 0", "16 0 0", "16 0", "16", ""])
def test_numbers_that_a_header_leaves_out_are_not_asked_for(fields):
    """From the right, block, checksum, first sample, zero and bits may be absent; what is there must hold."""
    told = header().replace(b" 16 0 0 0 0 I\n", f" {fields} I\n".encode())
    changed = STEPS.copy()
    changed[0, 2] = 5
    assert read(told).signal.tolist() == STEPS.tolist()
    if len(fields.split()) > 3:
        assert "lead I has checksum 5, its header says 0" in fault_of(told, content(changed))
    else:
        assert read(told, content(changed)).signal.tolist() == changed.tolist()


def test_a_changed_sample_is_seen():
    """By the checksum, and the first one by its own field too."""
    held = bytearray(content())
    held[-1] ^= 1
    assert "lead V6 has checksum" in fault_of(held=bytes(held))
    assert "lead V6 begins with 11, its header says 12" in fault_of(header().replace(b" 11 110 0 V6", b" 12 110 0 V6"))


def test_missing_samples_keep_their_code():
    """What WFDB calls missing is masked, or a fault, where recordings are examined: the reader alters nothing."""
    steps = STEPS.copy()
    steps[6, 1], steps[7] = MISSING, MISSING
    found = read(header(steps=steps, scale="1000(5)/mV"), content(steps))
    assert found.signal[6].tolist() == [6, MISSING, -6]
    assert found.signal[7].tolist() == [MISSING] * 3
    assert found.zero == (5,) * 12


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ("16 0", (-32767, 32767)),
        ("12 0", (-2048, 2047)),
        ("11 1024", (0, 2047)),
        ("0 0", (-32767, 32767)),
        ("12 40000", (-32767, 32767)),
    ],
)
def test_the_ends_of_the_converter_are_its_bits_around_its_zero(told, ends):
    """Of 16 bits the lowest step is the code for a missing sample; a header with 0 bits, or such a zero, does not say."""
    scale = "1000(0)/mV"
    found = read(header(scale=scale).replace(f"{scale} 16 0".encode(), f"{scale} {told}".encode()))
    assert found.ends[3] == ends


def test_an_absent_lead_is_refused_or_zero():
    """Ten leads are a fault, unless the caller takes what is there."""
    told, held = header(LEADS[:10], first="E1 10 500 3"), content(STEPS[:10])
    assert "does not describe the 12 leads: V5, V6 is not there" in fault_of(told, held)
    found = read(told, held, some=True)
    assert found.signal.tolist() == [*STEPS[:10].tolist(), [MISSING] * 3, [MISSING] * 3]
    assert len(found.gain) == len(found.zero) == 12


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"E1 12 500 3", b"E2 12 500 3", "that of 'E2', not of 'E1'"),
        (b"E1 12 500 3", b"E1/2 12 500 3", "that of 'E1/2'"),
        (b"E1 12 500 3", b"E1 11 500 3", "declares 11 leads, 3 samples at 500 Hz, and describes 12 leads"),
        (b"E1 12 500 3", b"E1 12 0 3", "3 samples at 0 Hz"),
        (b"E1 12 500 3", b"E1 12 500 0", "0 samples"),
        (b"E1 12 500 3", b"E1 12 500", "leads, rate or length cannot be read"),
        (b"E1 12 500 3", b"E1 12 nan 3", "leads, rate or length cannot be read"),
        (b"E1 12 500 3", b"E1 12 500 3e9", "leads, rate or length cannot be read"),
        (b"E1 12 500 3", b"E1 12 500 999999999", "holds 96 bytes where its header declares 24000000000"),
        (b"E1 12 500 3", b"E1", "leads, rate or length cannot be read"),
        (b"E1.mat 16+24 1000/mV 16 0 0 0 0 I\n", b"E2.mat 16+24 1000/mV 16 0 0 0 0 I\n", "the file is 'E2.mat', not 'E1.mat'"),
        (b"16+24 1000/mV 16 0 0 0 0 I\n", b"212+24 1000/mV 16 0 0 0 0 I\n", "the format is not 16"),
        (b"16+24 1000/mV 16 0 0 0 0 I\n", b"16x2+24 1000/mV 16 0 0 0 0 I\n", "the format is not 16"),
        (b"16+24 1000/mV 16 0 0 0 0 I\n", b"16:1+24 1000/mV 16 0 0 0 0 I\n", "the format is not 16"),
        (b"16+24 1000/mV 16 0 0 0 0 I\n", b"16+26 1000/mV 16 0 0 0 0 I\n", "two things of where the samples begin"),
        (b"1000/mV 16 0 0 0 0 I\n", b"0/mV 16 0 0 0 0 I\n", "the gain is no number above zero"),
        (b"1000/mV 16 0 0 0 0 I\n", b"-1000/mV 16 0 0 0 0 I\n", "the gain is no number above zero"),
        (b"1000/mV 16 0 0 0 0 I\n", b"1000/mmHg 16 0 0 0 0 I\n", "the unit is 'mmhg', not mV or uV"),
        (b"1000/mV 16 0 0 0 0 I\n", b"1000(40000)/mV 16 0 0 0 0 I\n", "the zero 40000 is out of range"),
        (b"1000/mV 16 0 0 0 0 I\n", b"1000/mV 16 0 x 0 0 I\n", "a number cannot be read"),
        (b"1000/mV 16 0 0 0 0 I\n", b"1000/mV 16 0 0 0 0 0 I\n", "has 10 fields where 4 to 9 belong"),
        (b" I\n", b" MLII\n", "'MLII' is none of the 12 leads"),
        (b" V6\n", b" V5\n", "V5 is there twice"),
        (b"#Age: 85", b"\xff\xfe", "is no UTF-8 text"),
    ],
)  # fmt: skip
def test_a_header_that_does_not_fit_is_told(old, new, words):
    """One line says what is wrong and where."""
    assert old in header()
    assert words in fault_of(header().replace(old, new, 1))


@pytest.mark.parametrize("told", [b"", b"\n\n", b"# Dx: 1\n"])
def test_an_empty_header_is_told(told):
    """Comments alone are no header."""
    assert "its header is empty" in fault_of(told)


@pytest.mark.parametrize("held", [b"", content()[:-1], content()[:-24], content() + b"\0\0"])
def test_a_signal_of_another_length_is_told(held):
    """Neither a byte too few nor one too many."""
    assert f"holds {len(held)} bytes where its header declares 96" in fault_of(held=held)


def test_any_damage_gives_a_recording_or_one_line():
    """Whatever bytes of a header change, nothing else comes out, and what is read still has its checksums."""
    draw, told, read_whole = random.Random(3), header(), 0
    for _ in range(2000):
        changed = bytearray(told)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(len(changed))
            changed[place : place + draw.randint(0, 2)] = bytes(
                draw.choices(b" 0123456789.()/+-xmVIE\n#\xff", k=draw.randint(0, 2))
            )
        try:
            found = read(bytes(changed), some=True)
        except RecordError as fault:
            assert "\n" not in str(fault)  # noqa: PT017 (either outcome is right)
            continue
        read_whole += 1
        assert sorted(map(tuple, found.signal.tolist())) == sorted(map(tuple, STEPS.tolist()))
    assert 100 < read_whole < 1900


def test_files_come_out_of_a_folder(tmp_path):
    """Both files are read by name; a missing or damaged one is told with what to do about it."""
    (tmp_path / "g1").mkdir()
    (tmp_path / "g1/E1.hea").write_bytes(header())
    names = ("g1/E1.hea", "g1/E1.mat")
    with (
        packs.open_all(tmp_path) as files,
        pytest.raises(RecordError, match=r"^record 1: g1/E1\.mat is missing; fetch it$"),
    ):
        _wfdb12.load("1", files, names, "fetch it")
    (tmp_path / "g1/E1.mat").write_bytes(content()[:-1])
    with packs.open_all(tmp_path) as files, pytest.raises(RecordError, match=r"declares 96; fetch it$"):
        _wfdb12.load("1", files, names, "fetch it")
    (tmp_path / "g1/E1.mat").write_bytes(content())
    with packs.open_all(tmp_path) as files:
        assert _wfdb12.load("1", files, names, "fetch it").signal.tolist() == STEPS.tolist()


def same_as_wfdb(header_file, ending):
    """Hold one real recording against the wfdb package's own reading of it."""
    stem = header_file.name.removesuffix(".hea")
    found = _wfdb12.read(
        stem, f"{stem}{ending}", header_file.read_bytes(), header_file.with_suffix(ending).read_bytes()
    )
    peer = wfdb.rdrecord(str(header_file.with_suffix("")))
    assert [name.upper() for name in peer.sig_name] == [name.upper() for name in LEADS]
    assert found.fs == peer.fs
    millivolts = (found.signal - np.array(found.zero)[:, None]) / np.array(found.gain)[:, None]
    np.testing.assert_array_equal(millivolts, peer.p_signal.T, err_msg=stem)
    assert [sum_ & 0xFFFF for sum_ in peer.checksum] == [
        int(lead.sum(dtype=np.int64)) & 0xFFFF for lead in found.signal
    ]
    assert isinstance(found, Recording)


@pytest.mark.real
@pytest.mark.parametrize(("database", "ending", "count"), [("ptbxl", ".dat", 32), ("challenge2021", ".mat", 210)])
def test_real_recordings_are_as_wfdb_reads_them(recordings, database, ending, count):
    """31 of PTB-XL at 500 Hz and one at 100 Hz, 210 of the Challenge's seven sources, to the last bit of float64."""
    headers = sorted((recordings / database).rglob("*.hea"))
    assert len(headers) == count
    for one in headers:
        same_as_wfdb(one, ending)
