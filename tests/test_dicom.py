"""DICOM waveforms as pydicom writes them, one of a real electrocardiograph, and what is no waveform."""

import logging
import struct
import sys

import numpy as np
import pytest

import formats
from pqrst.errors import RecordError
from pqrst.recordings import Limits, Told, read, read_bytes

pydicom = pytest.importorskip("pydicom")

STEPS = formats.steps(2.0)
SMALL = np.array([[1, -2, 300], [4, 5, -32768]])
IMPLICIT = "1.2.840.10008.1.2"


def small(values=SMALL, fs=250, channels=None, **named):
    """Write one group of a few samples."""
    channels = channels or [formats.dicom_channel(name) for name in ("I", "II")]
    return formats.dicom_file([formats.dicom_group(values, fs, channels, **named)])


def dicom(content, told=None, limits=None):
    return read_bytes({"a.dcm": content}, told or Told(), limits or Limits())


def fault(content, told=None, limits=None):
    """Give the one line that refuses a file."""
    with pytest.raises(RecordError) as caught:
        dicom(content, told, limits)
    message = str(caught.value)
    assert message.isprintable()
    assert "; " in message
    return message


@pytest.fixture
def lines(caplog, monkeypatch):
    """Collect the log's lines."""
    monkeypatch.setattr(logging.getLogger("pqrst"), "propagate", True)
    caplog.set_level(logging.INFO, "pqrst")
    return caplog


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT])
def test_the_rhythm_is_taken_and_the_median_beat_left(lines, syntax):
    """In both transfer syntaxes, though the beat comes first."""
    record = dicom(formats.dicom(STEPS, 500, syntax=syntax))
    assert (record.fs, record.leads) == (500.0, formats.LEADS)
    np.testing.assert_allclose(record.signal, STEPS * formats.STEP, rtol=1e-5, atol=1e-6)
    assert "of 2 groups, RHYTHM was taken" in lines.text


def test_sensitivity_correction_baseline_and_padding_by_hand():
    """Sample x sensitivity x correction + baseline, in the sensitivity's unit; the padding value is no sample."""
    channels = [formats.dicom_channel("I", 2.5, "uV", 2.0, 100.0), formats.dicom_channel("II", 0.001, "mV", skew=0.4)]
    record = dicom(small(channels=channels, padding=-32768))
    np.testing.assert_allclose(record.signal, [[0.105, 0.09, 1.6], [0.004, 0.005, np.nan]], rtol=1e-6)
    without = dicom(small(channels=channels))
    np.testing.assert_allclose(without.signal[1], [0.004, 0.005, -32.768], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("?", "5.6.3-9-1", "I"),
        ("?", "5.6.3-9-8", "V6"),
        ("?", "2:62", "aVR"),
        ("?", "MDC_ECG_LEAD_AVF", "aVF"),
        ("I (Einthoven)", "", "I"),
        ("AVL", "", "aVL"),
        ("V3R", "", "V3R"),
        ("X", "5.6.3-9-200", "X"),
    ],
)
def test_names_of_leads(name, code, expected):
    """The number of a code goes before its words."""
    assert dicom(small(SMALL[:1], channels=[formats.dicom_channel(name, code=code)])).leads == (expected,)


def test_samples_of_other_kinds():
    """Unsigned and long samples, an odd number of bytes with one more behind them, and words that stand in for a label."""
    for bits, meaning, kind in (
        (8, "SB", "i1"),
        (8, "UB", "u1"),
        (16, "US", "<u2"),
        (32, "SL", "<i4"),
        (32, "UL", "<u4"),
    ):
        values = np.array([[1, 2, 100]])
        channel = formats.dicom_channel("I")
        channel.ChannelLabel = "Lead II"
        group = formats.dicom_group(values, 250, [channel])
        group.WaveformBitsAllocated, group.WaveformSampleInterpretation = bits, meaning
        group.WaveformData = values.astype(kind).tobytes() + b"\0" * (bits == 8)
        record = dicom(formats.dicom_file([group]))
        assert record.leads == ("II",)
        np.testing.assert_allclose(record.signal, values * formats.STEP, rtol=1e-6)


def test_samples_without_sensitivity_are_the_callers_to_say():
    """Raw counts need a gain, or a unit."""
    content = small(SMALL[:1], channels=[formats.dicom_channel("I", None)])
    assert "give units, or gain" in fault(content)
    np.testing.assert_allclose(dicom(content, Told(gain=100.0, zero=1.0)).signal, [[0, -0.03, 2.99]], atol=1e-6)
    np.testing.assert_allclose(dicom(content, Told(units="uV")).signal, [[1e-3, -2e-3, 0.3]], rtol=1e-6)


def groups(*labels):
    channels = [formats.dicom_channel(name) for name in ("I", "II")]
    return formats.dicom_file([formats.dicom_group(SMALL, 250, channels, *label) for label in labels])


def edited(keyword, value):
    """Write the small group with an element changed or, by None, taken out."""
    group = formats.dicom_group(SMALL, 250, [formats.dicom_channel(name) for name in ("I", "II")])
    if value is None:
        del group[keyword]
    else:
        setattr(group, keyword, value)
        if keyword == "WaveformData":
            group[keyword].VR = "OW"
    return formats.dicom_file([group])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (lambda: formats.dicom_file(None), "DICOM without a waveform"),
        (lambda: groups(("MEDIAN BEAT",)), "0 groups that may be the rhythm (median beats only)"),
        (lambda: groups(("a", "DERIVED")), "0 groups"),
        (lambda: groups(("A",), ("B",)), "2 groups that may be the rhythm (A, B)"),
        (lambda: edited("SamplingFrequency", None), "SamplingFrequency is 'None'"),
        (lambda: edited("SamplingFrequency", "0"), "0 Hz is no rate"),
        (lambda: edited("NumberOfWaveformSamples", 0), "of 0 samples"),
        (lambda: edited("NumberOfWaveformSamples", 4), "holds 12 bytes of samples where it declares 16"),
        (lambda: edited("NumberOfWaveformSamples", 2), "holds 12 bytes of samples where it declares 8"),
        (lambda: edited("NumberOfWaveformSamples", 2**31), "at most"),
        (lambda: edited("NumberOfWaveformChannels", 3), "describes 2 of 3 channels"),
        (lambda: edited("WaveformSampleInterpretation", "MB"), "MB of 16 bits"),
        (lambda: edited("WaveformBitsAllocated", 64), "SS of 64 bits"),
        (lambda: edited("WaveformData", None), "holds 0 bytes"),
        (lambda: small(channels=[formats.dicom_channel("I", skew=3), formats.dicom_channel("II")]), "skewed by 3"),
        (lambda: small(channels=[formats.dicom_channel("I", unit="ell"), formats.dicom_channel("II")]), "no known unit"),
        (lambda: small(channels=[formats.dicom_channel("I"), formats.dicom_channel("I")]), "two of them are called"),
        (lambda: small()[132:], "does not begin as a DICOM file"),
        (lambda: small().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"), "its transfer syntax is 1.2.840.10008.1.2.2"),
        (lambda: small().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"), "not of its transfer syntax"),
        (lambda: small()[:-40], "it is damaged"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(content, expected):
    """No waveform, no rhythm, two of them, elements that are missing or cannot be, other syntaxes, a torn copy."""
    assert expected in fault(content())


def test_a_deflated_file_is_refused_before_it_is_unpacked():
    """What unpacks to gigabytes never does."""
    content = small().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"[:20])
    assert "its transfer syntax is 1.2.840.10008.1.2.1." in fault(content)


def element(tag, kind, value):
    head = struct.pack("<HH", *tag) + kind
    return head + (struct.pack("<HI", 0, len(value)) if kind == b"SQ" else struct.pack("<H", len(value))) + value


def test_more_elements_than_a_waveform_has_are_refused():
    """Eight bytes of a file would take a thousand of memory: empty items, small elements, and sequences in sequences."""
    head = formats.dicom_file(None)
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 100_001
    assert "more than 100000 elements" in fault(head + element((0x5400, 0x0100), b"SQ", items))
    many = b"".join(element((0x5401, k), b"LO", b"") for k in range(50_001))
    assert "more than 100000 elements" in fault(head + many + many)
    nested = b""
    for _ in range(40):
        nested = element((0x5400, 0x0100), b"SQ", b"\xfe\xff\x00\xe0" + struct.pack("<I", len(nested)) + nested)
    assert "nest deeper than 16" in fault(head + nested)


def test_sequences_that_end_with_a_mark():
    """Items and sequences of no told length are walked over to their marks."""
    group = formats.dicom_group(SMALL, 250, [formats.dicom_channel(name) for name in ("I", "II")])
    group.is_undefined_length_sequence_item = True
    file = formats.dicom_file([group])
    other = pydicom.dcmread(formats.io.BytesIO(file))
    other["WaveformSequence"].is_undefined_length = True
    saved = formats.io.BytesIO()
    other.save_as(saved, enforce_file_format=True)
    assert saved.getvalue() != file
    assert saved.getvalue().count(b"\xfe\xff\xdd\xe0") == 1
    np.testing.assert_allclose(dicom(saved.getvalue()).signal, SMALL * formats.STEP, rtol=1e-6)


def test_without_pydicom_one_line_says_how_to_get_it(monkeypatch):
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert "pip install 'pqrst[dicom]'" in fault(b"x")


def test_a_real_recording_is_as_pydicom_reads_it():
    """The file of a Mortara el250 that lies in pydicom: ten seconds of twelve leads at 1000 Hz, and a median beat."""
    path = pydicom.examples.get_path("waveform")
    record, theirs = read(path), pydicom.dcmread(path).waveform_array(0).T / 1000  # uV
    assert (record.fs, record.leads, record.signal.shape) == (1000.0, formats.LEADS, (12, 10_000))
    np.testing.assert_allclose(record.signal, theirs, atol=1e-6)
    np.testing.assert_allclose(record.signal[2], record.signal[1] - record.signal[0], atol=1e-6)
