"""Writers of the formats that recordings come in: a library's where one writes it, else by the published structure."""

import base64
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import edfio
import h5py
import numpy as np
import wfdb
from scipy.io import savemat

STEP = 0.005  # mV
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = ("I", "II", *LEADS[6:])


def steps(seconds=10.0, fs=500.0, seed=0):
    """Make up twelve leads in steps of 5 uV, (12, samples): a beat a second and some noise, the limb leads by their law."""
    rng, time = np.random.default_rng(seed), np.arange(round(seconds * fs)) / fs
    beats = np.exp(-(((time % 0.9 - 0.4) / 0.02) ** 2)) + 0.2 * np.exp(-(((time % 0.9 - 0.65) / 0.06) ** 2))
    own = rng.uniform(0.3, 1.2, (8, 1)) * beats + rng.normal(0, 0.01, (8, len(time)))
    eight = 2 * np.round(own / STEP / 2).astype(np.int64)  # even, so that halves are whole
    one, two = eight[:2]
    limbs = [one, two, two - one, -(one + two) // 2, one - two // 2, two - one // 2]
    return np.stack([*limbs, *eight[2:]])


def wfdb_of(found, fs, leads=LEADS, name="r"):
    """Write a pair by the wfdb package."""
    with TemporaryDirectory() as folder:
        wfdb.wrsamp(
            name, fs=fs, units=["mV"] * len(leads), sig_name=list(leads), d_signal=np.asarray(found).T.astype(np.int64),
            fmt=["16"] * len(leads), adc_gain=[1 / STEP] * len(leads), baseline=[0] * len(leads), write_dir=folder,
        )  # fmt: skip
        return {f"{name}.{end}": (Path(folder) / f"{name}.{end}").read_bytes() for end in ("hea", "dat")}


def edf(found, fs, leads=LEADS):
    """Write EDF+ with an annotation by edfio."""
    span = (-32768 * STEP, 32767 * STEP)
    signals = [
        edfio.EdfSignal(lead * STEP, fs, label=f"ECG {name}", physical_dimension="mV", physical_range=span)
        for lead, name in zip(found, leads, strict=True)
    ]
    file = io.BytesIO()
    edfio.Edf(signals, annotations=[edfio.EdfAnnotation(1.0, None, "a note")]).write(file)
    return file.getvalue()


def base64_of(values):
    """Give 16-bit steps in lines of base64, as the makers' exports break them."""
    return base64.encodebytes(np.asarray(values, "<i2").tobytes()).decode()


def muse_lead(name, values, unit="4.88", more=""):
    return (
        f"<LeadData><LeadByteCountTotal>{2 * len(values)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
        f"<LeadSampleCountTotal>{len(values)}</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>{unit}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{name}</LeadID><LeadSampleSize>2</LeadSampleSize>{more}"
        f"<WaveFormData>\n{base64_of(values)}</WaveFormData></LeadData>"
    )


def muse(found, fs, leads=EIGHT, unit="5", before="", more=""):
    """Write a RestingECG with a median beat and a rhythm; the structure that the reader's docstring tells."""
    median = "".join(muse_lead(name, np.arange(600), unit) for name in leads)
    rhythm = "".join(muse_lead(name, lead, unit, more) for name, lead in zip(leads, found, strict=True))

    def waveform(kind, inside):
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>{len(leads)}</NumberofLeads>"
            f"<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{fs:g}</SampleBase><SampleExponent>0</SampleExponent>{inside}</Waveform>"
        )

    text = (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n{before or "<!DOCTYPE RestingECG SYSTEM " + chr(34) + "restecg.dtd" + chr(34) + ">"}\n'
        f"<RestingECG><PatientDemographics><PatientLastName>Müller</PatientLastName></PatientDemographics>"
        f"{waveform('Median', median)}{waveform('Rhythm', rhythm)}</RestingECG>"
    )
    return text.encode("latin-1")


def lzw(content):
    """Pack bytes in codes of 10 bits, to the table's end at code 1022, and 1023 behind the last."""
    table, codes, word = {bytes([value]): value for value in range(256)}, [], b""
    for value in content:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        codes.append(table[word])
        if len(table) <= 1022:
            table[longer] = len(table)
        word = bytes([value])
    bits = "".join(f"{code:010b}" for code in [*codes, table[word], 1023])
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))


def xli(values):
    """Pack one lead: its second differences, high bytes and then low ones, behind the first of them."""
    x = np.asarray(values, np.int64)
    bends = 2 * x[1:-1] - x[:-2] - x[2:]
    stored = np.concatenate([x[:2], bends[1:] + 64, [64]]).astype(np.int16)
    chunk = lzw((stored >> 8).astype(np.uint8).tobytes() + (stored & 255).astype(np.uint8).tobytes())
    return len(chunk).to_bytes(4, "little") + b"\0\0" + int(bends[0]).to_bytes(2, "little", signed=True) + chunk


def philips_content(found):
    """Pack twelve leads, the derived ones as what is left of them beside the others."""
    one, two, three, right, left, foot = np.asarray(found[:6], np.int64)
    kept = [
        one,
        two,
        two - one - three,
        -((one + two) // 2) - right,
        (one - three) // 2 - left,
        (two + three) // 2 - foot,
    ]
    return b"".join(map(xli, [*kept, *found[6:]]))


def philips(found, fs, version="1.03", packed=True, attributes="", content=None):
    """Write a restingecgdata; the structure that the reader's docstring tells."""
    text = (
        base64.encodebytes(content if content is not None else philips_content(found)).decode()
        if packed
        else base64_of(np.ravel(found))
    )
    how = 'compressflag="True" compressmethod="XLI"' if packed else 'compressflag="False"'
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>'
        f"<documenttype>SierraECG</documenttype><documentversion>{version}</documentversion></documentinfo><dataacquisition>"
        f"<signalcharacteristics><samplingrate>{fs:g}</samplingrate><signalresolution>5</signalresolution><acquisitiontype>STD-12</acquisitiontype>"
        f"<bitspersample>16</bitspersample><signaloffset>0</signaloffset><signalsigned>True</signalsigned>"
        f"<numberchannelsallocated>{len(found)}</numberchannelsallocated></signalcharacteristics></dataacquisition>"
        f'<waveforms><parsedwaveforms {how} dataencoding="Base64" durationperchannel="{1000 * len(found[0]) / fs:g}" nbitspersample="16" '
        f"{attributes}>{text}</parsedwaveforms></waveforms></restingecgdata>"
    ).encode()


def aecg_sequence(code, inside, kind):
    return f'<component><sequence><code code="{code}"/><value xsi:type="{kind}">{inside}</value></sequence></component>'


def aecg_lead(name, values, scale='value="5" unit="uV"', origin='value="0" unit="uV"'):
    digits = " ".join(map(str, values))
    return aecg_sequence(
        f"MDC_ECG_LEAD_{name.upper()}", f"<origin {origin}/><scale {scale}/><digits>{digits}</digits>", "SLIST_PQ"
    )


def aecg(found, fs, leads=LEADS, sets=None, derived=""):
    """Write an AnnotatedECG with its rhythm and a representative beat; the structure is the implementation guide's."""
    times = aecg_sequence(
        "TIME_ABSOLUTE", f'<head value="20200101120000"/><increment value="{1 / fs:g}" unit="s"/>', "GLIST_TS"
    )
    inside = times + "".join(aecg_lead(name, lead) for name, lead in zip(leads, found, strict=True))
    one = f"<component><sequenceSet>{inside}</sequenceSet></component>"
    beat = f"<derivation><derivedSeries><code code='REPRESENTATIVE_BEAT'/>{one}</derivedSeries></derivation>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<component><series><code code="RHYTHM"/>{sets if sets is not None else one}{beat}{derived}</series></component></AnnotatedECG>'
    ).encode()


def dicom_channel(name, sensitivity=5.0, unit="uV", correction=1.0, baseline=0.0, skew=0, code=""):
    from pydicom.dataset import Dataset

    source, units, channel = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = code, "SCPECG", f"Lead {name}"
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    channel.ChannelSourceSequence = [source]
    if sensitivity is not None:
        channel.ChannelSensitivity, channel.ChannelSensitivityUnitsSequence = sensitivity, [units]
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = correction, baseline
    channel.ChannelSampleSkew, channel.WaveformBitsStored = skew, 16
    return channel


def dicom_group(found, fs, channels, label="RHYTHM", originality="ORIGINAL", padding=None):
    from pydicom.dataset import Dataset

    group, found = Dataset(), np.asarray(found)
    group.MultiplexGroupLabel, group.WaveformOriginality = label, originality
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = found.shape
    group.SamplingFrequency, group.ChannelDefinitionSequence = fs, channels
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    if padding is not None:
        group.WaveformPaddingValue = np.array(padding, "<i2").tobytes()
        group["WaveformPaddingValue"].VR = "OW"
    group.WaveformData = found.T.astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    return group


def dicom_file(groups, syntax="1.2.840.10008.1.2.1"):
    """Write a 12-lead ECG by pydicom."""
    from pydicom.dataset import Dataset, FileMetaDataset

    made, file = Dataset(), io.BytesIO()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.SOPClassUID, made.SOPInstanceUID, made.PatientName = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.3", "Nobody"
    if groups is not None:
        made.WaveformSequence = groups
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dicom(found, fs, leads=LEADS, syntax="1.2.840.10008.1.2.1"):
    """Write a rhythm and a median beat."""
    channels = [dicom_channel(name) for name in leads]
    beat = dicom_group(np.asarray(found)[:, :600], fs, channels, "MEDIAN BEAT", "DERIVED")
    return dicom_file([beat, dicom_group(found, fs, channels)], syntax)


def hdf5(arrays, attributes=None):
    """Write arrays by h5py, and attributes of the file."""
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for name, values in arrays.items():
            made[name] = values
        made.attrs.update(
            {
                name: np.array(value, "S") if isinstance(value, str | bytes | list) else value
                for name, value in (attributes or {}).items()
            }
        )
    return file.getvalue()


def code(recordings):
    """Lay recordings out as CODE does: (samples, leads) in mV each, filled up with zeros to 4,096 samples."""
    filled = np.zeros((len(recordings), 4096, 12), np.float32)
    for place, one in enumerate(recordings):
        begin = (4096 - one.shape[1]) // 2
        filled[place, begin : begin + one.shape[1]] = one.T
    return hdf5({"tracings": filled, "exam_id": np.arange(len(recordings))}, {"units": "mV"})


def mat(compress=True, **variables):
    """Write MATLAB 5 by scipy."""
    file = io.BytesIO()
    savemat(file, variables, do_compression=compress)
    return file.getvalue()


def csv(found, leads=LEADS, fs=500.0):
    """Write a table with names, units and a rate."""
    rows = "\n".join(",".join(f"{value * STEP:.3f}" for value in row) for row in np.asarray(found).T)
    return f"# fs={fs:g}\n{','.join(f'{name} (mV)' for name in leads)}\n{rows}\n".encode()
