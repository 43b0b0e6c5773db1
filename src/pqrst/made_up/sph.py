"""A made-up SPH: recordings that are kept, some of one person, and some that each of the reader's rules leaves out."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from pqrst.made_up._decks import dealt, mingled, person, spare
from pqrst.made_up._dipole import Person, signal
from pqrst.made_up._files import MADE_UP, write_sums, write_table

# AHA code -> what the heart is like, by the list of Mason et al., Circulation 115:1325, 2007; a short PR interval (80)
# is not drawn, and the sources of premature beats look alike
CARDS: Mapping[str, str] = {
    "1": "NORM SR", "21": "STACH", "22": "NORM SBRAD", "23": "NORM SARRH", "30": "PAC SR", "31": "BIGU PAC", "36": "PAC SR",
    "50": "AFIB", "51": "AFLT", "54": "SVTAC", "60": "PVC SR", "80": "NORM SR", "82": "1AVB SR", "83": "2AVB", "88": "3AVB",
    "101": "LAFB SR", "102": "LPFB SR", "104": "CLBBB SR", "105": "IRBBB SR", "106": "CRBBB SR", "108": "WPW SR", "120": "RAD SR",
    "121": "LAD SR", "125": "LVOLT SR", "140": "LAO/LAE SR", "142": "LVH SR", "145": "STD_ SR", "146": "STD_ INVT SR",
    "147": "INVT SR", "152": "EL SR", "155": "STE_ SR",
}  # fmt: skip
COMMON = ("1", "1", "147", "1", "22", "1", "23", "105", "1", "146", "145", "1", "106", "21")
# codes that the rules leave out: several, a modifier, and one of those that stand alone
SPARE = ("50;106", "60+310", "84", "22;147+321", "145+362", "148")


# Differs: the real database has a table of its codes beside, code.csv, which nothing here reads.
def write(dest: Path, records: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write recordings that are kept, some of one person, and some that each rule leaves out, with their table."""
    codes, owners = dealt(list(CARDS), COMMON, records, rng), list(range(records))
    for number in (records // 2, records - 1) if records > 3 else ():  # of the person whose recording stands before
        codes[number], owners[number] = codes[number - 1], owners[number - 1]
    left_out = [(code, records + number) for number, code in enumerate(spare(records, SPARE))]
    cases = mingled(list(zip(codes, owners, strict=True)), left_out)
    rows, people = [], dict[int, Person]()
    (dest / "records").mkdir()
    for number, ((code, owner), one) in enumerate(zip(cases, rng.spawn(len(cases)), strict=True), 1):
        who = people.setdefault(owner, person(CARDS.get(code, "IVCD SR"), one))
        millivolts = signal(who, one, float(one.integers(10, 16))).astype(np.float32)
        with h5py.File(dest / f"records/A{number:05d}.h5", "w") as file:
            file.attrs["note"] = MADE_UP
            file.create_dataset("ecg", data=millivolts, compression="gzip")
        person_told = (f"S{owner + 1:05d}", f"{who.age:.0f}", "MF"[who.sex])
        rows.append((f"A{number:05d}", code, *person_told, millivolts.shape[1], "2020-01-01"))
    write_table(dest / "metadata.csv", ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N", "Date"), rows)
    write_sums(dest)
