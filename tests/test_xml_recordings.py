"""XML from clinics: MUSE, Philips and aECG by hand, and what strangers hide in XML."""

import base64
import logging

import numpy as np
import pytest

import formats
from pqrst.errors import RecordError
from pqrst.recordings import Limits, Told, read_bytes

STEPS = formats.steps(2.0)
EIGHT = STEPS[[formats.LEADS.index(name) for name in formats.EIGHT]]


def xml(content, limits=None):
    """Read an upload of one XML file."""
    content = content.encode() if isinstance(content, str) else content
    return read_bytes({"a.xml": content}, Told(), limits or Limits())


def fault(content, limits=None):
    """Give the one line that refuses a file."""
    with pytest.raises(RecordError) as caught:
        xml(content, limits)
    message = str(caught.value)
    assert message.isprintable()
    assert "; " in message
    return message


def changed(content, old, new):
    """Give a file with a text replaced once."""
    old, new = old.encode(), new.encode()
    assert old in content
    return content.replace(old, new, 1)


@pytest.fixture
def lines(caplog, monkeypatch):
    """Collect the log's lines."""
    monkeypatch.setattr(logging.getLogger("pqrst"), "propagate", True)
    caplog.set_level(logging.INFO, "pqrst")
    return caplog


def test_muse_by_hand(lines):
    """Steps times the units a bit; of I = 1, II = 2 mV the others are III 1, aVR -1.5, aVL 0 and aVF 1.5."""
    record = xml(formats.muse([[100, 0], [200, 0], [-7, 1]], 250, ("I", "II", "V1"), unit="10"))
    assert (record.fs, record.leads) == (250.0, ("I", "II", "III", "aVR", "aVL", "aVF", "V1"))
    np.testing.assert_allclose(record.signal[:, 0], [1, 2, 1, -1.5, 0, 1.5, -0.07], rtol=1e-6)
    assert "III, aVR, aVL, aVF derived from I and II" in lines.text


def test_muse_units_rates_and_leads():
    """Millivolts, a rate in tenths by its exponent, twelve stored leads, and no limb lead to derive from."""
    content = formats.muse([[3, 4]], 500, ("V1",), unit="0.01").replace(b"MICROVOLTS", b"MILLIVOLTS")
    assert xml(content).leads == ("V1",)
    np.testing.assert_allclose(xml(content).signal, [[0.03, 0.04]], rtol=1e-6)
    slow = content.replace(b"<SampleExponent>0<", b"<SampleExponent>-1<")
    assert xml(slow).fs == 50
    stored = xml(formats.muse(STEPS + 1, 500, formats.LEADS))
    np.testing.assert_allclose(stored.signal, (STEPS + 1) * formats.STEP, rtol=1e-5, atol=1e-6)
    one = formats.muse(EIGHT, 500).replace(b"<LeadID>I<", b"<LeadID>V9<")
    assert xml(one).leads == ("II", "V9", *formats.EIGHT[2:])


def test_a_muse_lead_that_was_off_is_missing():
    """All of it, and what would be derived from it."""
    content = formats.muse(EIGHT, 500, more="<LeadOff>FALSE</LeadOff>")
    place = content.index(b"<LeadID>II<", content.index(b"Rhythm"))
    off = content[:place] + content[place:].replace(b"<LeadOff>FALSE", b"<LeadOff>TRUE", 1)
    missing = np.isnan(xml(off).signal).all(axis=1)
    assert [name for name, gone in zip(xml(off).leads, missing, strict=True) if gone] == [
        "II",
        "III",
        "aVR",
        "aVL",
        "aVF",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (">Rhythm<", ">Median<", "0 rhythms among its waveforms (Median, Median)"),
        (">Median<", ">Rhythm<", "2 rhythms"),
        ("Rhythm</WaveformType><NumberofLeads>8</NumberofLeads><SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>500",
         "Rhythm</WaveformType><SampleBase>fast", "SampleBase is 'fast'"),
        ("RestingECG>", "RestedECG>", "no sound XML"),
    ],
)  # fmt: skip
def test_muse_files_that_cannot_be_read(old, new, expected):
    """Without a rhythm, with two, without a rate, and no XML."""
    assert expected in fault(changed(formats.muse(EIGHT, 500), old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<LeadSampleSize>2", "<LeadSampleSize>4", "samples of 4 bytes"),
        ("<LeadSampleCountTotal>2<", "<LeadSampleCountTotal>3<", "where 3 samples of 2 belong"),
        ("<LeadAmplitudeUnitsPerBit>5<", "<LeadAmplitudeUnitsPerBit>?<", "LeadAmplitudeUnitsPerBit of lead I is '?'"),
        ("MICROVOLTS", "FURLONGS", "no known unit"),
        ("AQACAA==", "****", "the waveform of lead I is no base64"),
        ("AQACAA==", "AQACAAMA", "holds 6 bytes"),
        ("AQACAA==", "AQA", "holds 2 bytes"),
        ("<LeadID>I<", "<LeadID><", "has no name"),
    ],
)
def test_muse_leads_that_cannot_be_read(old, new, expected):
    """Each fault of a lead names it."""
    content = formats.muse([[1, 2], [3, 4]], 500, ("I", "II"))
    begin = content.index(b"Rhythm")
    assert expected in fault(content[:begin] + changed(content[begin:], old, new))


def test_muse_leads_of_two_lengths():
    """Leads that do not last equally long are refused by name."""
    content = formats.muse([[1, 2], [3, 4]], 500, ("V1", "V2"))
    place = content.rindex(b"<LeadSampleCountTotal>2")
    torn = content[:place] + content[place:].replace(b"Total>2", b"Total>1").replace(b"AwAEAA==", b"AwA=")
    assert "lead V2 has 1 samples where V1 has 2" in fault(torn)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("version", ["1.03", "1.04"])
def test_philips_gives_what_was_packed(packed, version):
    """Twelve leads through XLI, limb leads as differences, and unpacked as they are; attributes go before elements."""
    record = xml(formats.philips(STEPS, 500, version, packed))
    assert (record.leads, record.fs) == (formats.LEADS, 500.0)
    np.testing.assert_allclose(record.signal, STEPS * formats.STEP, rtol=1e-5, atol=1e-6)
    names = " ".join(("I", "II", "III", *formats.LEADS[3:]))
    other = f'samplespersecond="250" resolution="10" signaloffset="100" numberofleads="12" leadlabels="{names} "'
    content = formats.philips(STEPS, 500, version, packed, other).replace(b'"2000" nbits', b'"4000" nbits')
    np.testing.assert_allclose(xml(content).signal, (STEPS - 100) * 0.01, rtol=1e-5, atol=1e-6)
    assert xml(content).fs == 250


def test_philips_is_unpacked_as_sierraecg_does(tmp_path):
    """The peer library is the oracle of LZW, of second differences and of the limb leads; noise fills the table of codes."""
    sierraecg = pytest.importorskip("sierraecg")
    noise = np.random.default_rng(1).integers(-900, 900, (12, 3000))
    for place, found in enumerate((STEPS, noise, np.repeat(noise[:, :30], 100, axis=1))):
        file = tmp_path / f"{place}.xml"
        file.write_bytes(formats.philips(found, 500))
        theirs = np.stack([lead.samples for lead in sierraecg.read_file(str(file)).leads])
        np.testing.assert_array_equal(theirs, found)
        np.testing.assert_allclose(xml(file.read_bytes()).signal, theirs * formats.STEP, rtol=1e-5, atol=1e-6)


def test_the_calibration_pulse_behind_a_philips_recording_is_cut_off(lines):
    """Half a second in which all leads hold the same is no part of it; a tenth is."""
    pulse = np.repeat([0, 200, 0], 100)
    record = xml(formats.philips(np.hstack([STEPS, np.tile(pulse, (12, 1))]), 500, packed=False))
    assert record.signal.shape == (12, 1000)
    assert "its last 0.60 s, the same in every lead, were cut off" in lines.text
    short = np.hstack([STEPS, np.zeros((12, 50), int)])
    assert xml(formats.philips(short, 500, packed=False)).signal.shape == (12, 1050)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (">1.03<", ">2.0<", "of version '2.0'"),
        ('compressmethod="XLI"', 'compressmethod="ZIP"', "packed by 'ZIP'"),
        ('dataencoding="Base64"', 'dataencoding="Plain"', "are 'Plain'"),
        ("<samplingrate>500<", "<samplingrate><", "samplingrate is ''"),
        ("<signalresolution>5<", "<signalresolution>5_0<", "signalresolution is '5_0'"),
        ("<bitspersample>16", "<bitspersample>12", None),
        ('nbitspersample="16"', 'nbitspersample="12"', "signed numbers of 16 bits"),
        (">STD-12<", ">OTHER<", "12 leads and names 0"),
        ("<numberchannelsallocated>12", "<numberchannelsallocated>13", "13 leads and names 12"),
        ('durationperchannel="2000"', 'durationperchannel="0"', "it lasts 0 ms"),
        ('durationperchannel="2000"', 'durationperchannel="20000"', "where 10000 belong"),
        ('durationperchannel="2000"', 'durationperchannel="9000000000"', "at most"),
        ("parsedwaveforms", "otherwaveforms", "mismatched tag"),
    ],
)
def test_philips_files_that_cannot_be_read(old, new, expected):
    """Each fault is named; the attribute goes before the element of the same meaning."""
    content = changed(formats.philips(STEPS, 500), old, new)
    if expected is None:
        assert xml(content).fs == 500
    else:
        assert expected in fault(content)


def test_philips_waveforms_that_are_damaged():
    """Chunks of negative length, codes for nothing, too much, too little, and limb leads without I."""
    good = formats.philips_content(STEPS)

    def torn(content):
        return fault(formats.philips(STEPS, 500, content=content))

    assert "ends before lead I does" in torn((-8).to_bytes(4, "little", signed=True) + good[4:])
    assert "ends before lead V6 does" in torn(good[:-1])
    assert "ends before lead II does" in torn(good[: 8 + int.from_bytes(good[:4], "little")])
    assert "a code stands for nothing" in torn((9).to_bytes(4, "little") + bytes(4) + b"\x80" * 9 + good)
    zeros = formats.lzw(bytes(200_000))
    assert "unpacks to more" in torn(len(zeros).to_bytes(4, "little") + bytes(4) + zeros)
    long = len(good).to_bytes(4, "little") + bytes(4) + good
    assert "longer than it declares" in fault(formats.philips(STEPS[:, :50], 500, content=long + good))
    assert "unpacks to more" in fault(formats.philips(formats.steps(8.0), 500).replace(b'"8000"', b'"100"'))
    short = formats.philips(STEPS[:, :-1], 500, packed=False).replace(b'"1998"', b'"2000"')
    assert "bytes where 12 leads of 1000 samples belong" in fault(short)
    without = formats.philips(
        STEPS, 500, attributes='numberofleads="12" leadlabels="a b III aVR aVL aVF V1 V2 V3 V4 V5 V6"'
    )
    assert "as differences without I" in fault(without)


def test_aecg_by_hand(lines):
    """Origin and scale in units of their own, a rate of 1/0.004 s, the beat left out, and what is no ECG as well."""
    leads = formats.aecg_lead("AVL", [1, -2, 30], 'value="2.5" unit="uV"', 'value="1" unit="mV"')
    pressure = formats.aecg_sequence("MDC_PRESS", '<scale value="1" unit="mmHg"/><digits>1 2 3</digits>', "SLIST_PQ")
    times = formats.aecg_sequence("TIME_RELATIVE", '<increment value="4" unit="ms"/>', "GLIST_PQ")
    record = xml(formats.aecg([], 1, (), f"<component><sequenceSet>{times}{leads}{pressure}</sequenceSet></component>"))
    assert (record.fs, record.leads) == (250.0, ("aVL",))
    np.testing.assert_allclose(record.signal, [[1.0025, 0.995, 1.075]], rtol=1e-6)
    assert "MDC_PRESS (mmHg" in lines.text


@pytest.mark.parametrize(
    ("written", "fs"), [("0.002", 500), ("0.00277778", 360), ("0.0078125", 128), ("0.00778210", 128.5)]
)
def test_rates_of_written_increments(written, fs):
    """A whole rate is found through the few digits of its increment, and no other is made whole."""
    content = changed(formats.aecg(STEPS, 500), 'increment value="0.002"', f'increment value="{written}"')
    assert xml(content).fs == pytest.approx(fs, rel=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('code="RHYTHM"', 'code="REPRESENTATIVE_BEAT"', "0 series of a rhythm"),
        ("TIME_ABSOLUTE", "TIMES", "0 sequences of times"),
        ('increment value="0.002" unit="s"', 'increment value="0.002" unit="h"', "increase by 0.002 'h'"),
        ('increment value="0.002"', 'increment value="0"', "increase by 0 's'"),
        ('increment value="0.002"', 'increment value="x"', "the increment is 'x'"),
        ('scale value="5"', 'scale value="?"', "the scale of lead I is '?'"),
        ('origin value="0" unit="uV"', 'origin value="0" unit="kg"', "origin in no unit"),
        ('scale value="5" unit="uV"', 'scale value="5" unit="ell"', "no known unit"),
        ("MDC_ECG_LEAD_II", "MDC_ECG_LEAD_I", "two of them are called 'I'"),
        ("<digits>", "<digits>x ", "digits that are no numbers"),
        ("<digits>", "<digits>7 ", "lead II has 1000 samples where I has 1001"),
        ("<digits>", "<digits>1e999 ", "infinite"),
    ],
)
def test_aecg_files_that_cannot_be_read(old, new, expected):
    """Each fault is named."""
    assert expected in fault(changed(formats.aecg(STEPS, 500), old, new))


def test_aecg_in_several_sets_or_series():
    """Leads that were not recorded together are not laid side by side."""
    one = "<component><sequenceSet></sequenceSet></component>"
    assert "its leads are in 2 sets" in fault(formats.aecg([], 500, (), one + one))
    twice = changed(
        formats.aecg(STEPS, 500), "</series></component>", "</series></component><component><series/></component>"
    )
    assert "2 series of a rhythm" in fault(twice)


LAUGHS = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha" * 10}">' for k in range(12))
BOMBS = {
    "billion laughs": f"<!DOCTYPE RestingECG [{LAUGHS}]><RestingECG>&l11;</RestingECG>",
    "quadratic blowup": f'<!DOCTYPE RestingECG [<!ENTITY a "{"a" * 100_000}">]><RestingECG>{"&a;" * 10_000}</RestingECG>',
    "a file": '<!DOCTYPE RestingECG [<!ENTITY a SYSTEM "file:///etc/passwd">]><RestingECG>&a;</RestingECG>',
    "an address": '<!DOCTYPE RestingECG [<!ENTITY % a SYSTEM "http://127.0.0.1/x.dtd"> %a;]><RestingECG/>',
    "defaults": f'<!DOCTYPE a [<!ATTLIST a b CDATA "{"x" * 1000}">]><a>{"<a/>" * 1000}</a>',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_declared_entities_are_refused(bomb):
    """Whatever a DOCTYPE declares is refused before it is used."""
    assert "its DOCTYPE declares" in fault(BOMBS[bomb])


def test_a_type_that_is_only_named_is_no_declaration(monkeypatch):
    """MUSE names restecg.dtd, which is not fetched; an entity that it may hold is not skipped over."""

    def refuse(*_, **__):
        raise AssertionError("a file was opened")

    content = formats.muse(EIGHT, 500)
    assert b"restecg.dtd" in content
    monkeypatch.setattr("builtins.open", refuse)
    assert len(xml(content).leads) == 12
    assert "an entity 'foo'" in fault(changed(content, "Median", "&foo;"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<a>" * 101, "nests deeper than 100"),
        (f"<a>{'<b/>' * 200_000}</a>", "more than 200000 elements"),
        (f"<a><!--{'x' * 3_000_000}--></a>", "a tag of more than"),
        (f'<a b="{"x" * 3_000_000}"/>', "a tag of more than"),
        ("<CardiologyXML/>", "its root element is 'CardiologyXML'"),
        ("<a></b>", "line 1 is no sound XML (mismatched tag)"),
        ("<a>\n\n<b", "line 3 is no sound XML"),
        ("<a>&nothing;</a>", "no sound XML (undefined entity)"),
        ("a,b\n1,2\n", "no sound XML"),
        (b'<?xml version="1.0" encoding="UTF-8"?><a>\xff</a>', "no sound XML"),
        (b'<?xml version="1.0" encoding="nothing"?><a/>', "its encoding is not known"),
        (b'<?xml version="1.0" encoding="gb2312"?><a/>', "its encoding is not known"),
    ],
)
def test_markup_that_is_not_read(content, expected):
    """Too deep, too many, too long, of another kind, or no XML."""
    assert expected in fault(content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding):
    """Philips' files come as UTF-16 too; a file without an ending is known by its first sign where that is one byte."""
    text = formats.philips(STEPS, 500).decode().replace(' encoding="UTF-8"', "")
    assert xml(text.encode(encoding)).leads == formats.LEADS
    if encoding != "utf-16":
        assert read_bytes({"export": text.encode(encoding)}).leads == formats.LEADS


def test_base64_without_its_end_signs():
    """Some exports leave the padding out."""
    content = formats.muse([[1], [2]], 500, ("V1", "V2"))
    assert base64.b64encode(b"\1\0") == b"AQA="
    np.testing.assert_allclose(xml(content.replace(b"=\n", b"\n")).signal, [[0.005], [0.01]], rtol=1e-6)
