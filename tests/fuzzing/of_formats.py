"""Targets of the formats that clinics export: DICOM, MUSE, Philips, aECG, HDF5 and MATLAB, as files of an upload."""

from functools import cache
from importlib.util import find_spec

import numpy as np

import formats
from fuzzing.core import Target
from fuzzing.of_recordings import LIMITS, told, upload
from pqrst.recordings import read_bytes

STEPS = formats.steps(0.1, 250.0)
MV = STEPS * formats.STEP
NAMES = ",".join(formats.LEADS)


@cache
def dicoms() -> list[bytes]:
    """Write one group of two leads, and a rhythm beside a beat; none where pydicom, an extra, is not installed."""
    if not find_spec("pydicom"):
        return []
    channels = [formats.dicom_channel(name, code=f"5.6.3-9-{k}") for k, name in enumerate(("I", "II"), 1)]
    one = formats.dicom_file([formats.dicom_group(STEPS[:2, :9], 250, channels, padding=-1)])
    rhythm = formats.dicom(STEPS[:2], 250, ("I", "II"))
    return told(0, one, rhythm, formats.dicom(STEPS[:1], 250, ("V1",), "1.2.840.10008.1.2"))


def muses() -> list[bytes]:
    small = formats.muse(STEPS[[0, 1, 6]], 250, ("I", "II", "V1"))
    return told(0, small, formats.muse([[1, 2]], 250, ("V1",), more="<LeadOff>TRUE</LeadOff>"))


def philips_files() -> list[bytes]:
    return told(0, formats.philips(STEPS, 250), formats.philips(STEPS[:, :3], 250, "1.04", packed=False))


def aecgs() -> list[bytes]:
    return told(0, formats.aecg(STEPS[:2, :9], 250, ("I", "II")), formats.aecg([[1.5, -2]], 360, ("V1",)))


@cache
def hierarchies() -> list[bytes]:
    said = {"fs": 250.0, "units": "mV", "leads": NAMES}
    full = told(1, formats.hdf5({"tracings": MV.T[None]}, said), formats.hdf5({"ecg": MV}, said))
    return [*full, *told(0, formats.hdf5({"ecg": MV[:2]}))]


def mats() -> list[bytes]:
    said = {"fs": 250, "units": "mV", "leads": np.array(formats.LEADS, object)}
    struct = formats.mat(compress=False, ECG={"data": MV, "unit": "mV", "Fs": 250.0, "leads": NAMES})
    return [*told(1, formats.mat(compress=False, val=MV, **said), struct), *told(0, formats.mat(val=MV[:2]))]


def packed(data: bytes) -> bool:
    """Unpack XLI that no base64 and no XML keeps from being changed."""
    text = formats.philips(STEPS, 250, content=data)
    return upload("a.xml")(b"\0" + text)


def unnamed(data: bytes) -> bool:
    """Read a file without an ending, by its first bytes."""
    return read_bytes({"export": data}, limits=LIMITS).signal.size > 0


def seeds_of_packed() -> list[bytes]:
    return [formats.philips_content(STEPS), formats.philips_content(STEPS * 0)]


TARGETS = {
    "muse": Target(upload("a.xml"), muses, 8192, 300),
    "philips": Target(upload("a.xml"), philips_files, 8192, 300),
    "xli": Target(packed, seeds_of_packed, 4096, 300),
    "aecg": Target(upload("a.xml"), aecgs, 8192, 300),
    "tracings": Target(upload("a.h5"), hierarchies, 16384, 100),
    "mat": Target(upload("a.mat"), mats, 8192, 300),
    "unnamed": Target(unnamed, lambda: [seed[1:] for seed in (*muses(), *dicoms(), *hierarchies()[:1])], 16384, 100),
}
if find_spec("pydicom"):
    TARGETS["dicom"] = Target(upload("a.dcm"), dicoms, 8192, 150)
