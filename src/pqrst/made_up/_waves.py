"""The waves of a made-up heart beat as vectors in the body, and what each of PTB-XL's statements does to them.

A wave is a bell on the time axis, as in McSharry et al., IEEE Trans. Biomed. Eng. 50 (2003) 289, with an amplitude in mV along
Frank's axes, towards the left, the feet and the back, as in Sameni et al., EURASIP J. Adv. Signal Process. (2007) 043407.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

# A wave: time after the QRS or after the middle of the P [s], width [s], vector [mV], and whether it follows the heart rate
TIME, WIDTH, VECTOR, LATE = 0, 1, slice(2, 5), 5
Waves = Sequence[tuple[float, float, float, float, float]]
ST, T = (0.115, 0.042), (0.268, 0.048)

ATRIA: Mapping[str, Waves] = {
    "usual": [(-0.016, 0.019, 0.03, 0.075, -0.05), (0.016, 0.020, 0.045, 0.06, 0.035)],
    "left": [(-0.020, 0.018, 0.03, 0.085, -0.05), (0.036, 0.020, 0.08, 0.085, 0.12)],
    "right": [(-0.008, 0.020, 0.03, 0.20, -0.10), (0.014, 0.018, 0.04, 0.06, 0.02)],
}
# How the ventricles are activated -> the waves of QRS, and those of ST and T
VENTRICLES: Mapping[str, tuple[Waves, Waves]] = {
    "usual": (
        [
            (-0.022, 0.0085, -0.16, -0.03, -0.30),
            (-0.003, 0.0105, 0.80, 0.46, 0.06),
            (0.009, 0.0100, 0.40, 0.24, 0.55),
            (0.028, 0.0100, -0.20, -0.20, 0.40),
        ],
        [(0.235, 0.050, 0.16, 0.13, -0.14), (0.290, 0.032, 0.16, 0.13, -0.14)],
    ),
    "left bundle": (
        [(-0.030, 0.019, 0.80, 0.35, 0.45), (0.006, 0.020, 0.20, 0.10, 0.75), (0.038, 0.020, 0.80, 0.20, 0.60)],
        [(0.140, 0.050, -0.12, -0.04, -0.20), (0.270, 0.058, -0.36, -0.10, -0.46)],
    ),
    "left bundle, in part": (
        [(-0.016, 0.014, 0.60, 0.35, 0.35), (0.022, 0.016, 0.80, 0.35, 0.62)],
        [(0.120, 0.045, -0.05, 0, -0.08), (0.270, 0.045, -0.05, 0.06, -0.25)],
    ),
    "left anterior": (
        [(-0.022, 0.0085, -0.12, 0.34, -0.22), (0.008, 0.0130, 0.85, -0.75, 0.25), (0.034, 0.012, -0.06, -0.32, 0.45)],
        [(0.235, 0.050, 0.14, 0.15, -0.12), (0.290, 0.032, 0.14, 0.15, -0.12)],
    ),
    "left posterior": (
        [(-0.024, 0.0085, 0.32, -0.30, -0.22), (0.006, 0.0130, 0.30, 1.15, 0.30), (0.032, 0.012, -0.62, 0.15, 0.30)],
        [(0.235, 0.050, 0.18, 0.06, -0.12), (0.290, 0.032, 0.18, 0.06, -0.12)],
    ),
    "right heart": (
        [(-0.020, 0.0090, 0.22, 0.05, -0.25), (0.004, 0.0140, -0.15, 0.75, -0.75), (0.034, 0.013, -0.72, -0.10, 0.10)],
        [(0.120, 0.045, 0.04, -0.04, 0.07), (0.270, 0.050, 0.14, -0.04, 0.26)],
    ),
}
VENTRICULAR: tuple[Waves, Waves] = (
    [(-0.020, 0.028, 0.65, 0.95, 0.30), (0.030, 0.032, 0.50, 0.85, -0.25), (0.100, 0.032, -0.25, -0.35, 0.20)],
    [(0.290, 0.060, -0.40, -0.52, 0.10)],
)
PACED: tuple[Waves, Waves] = (
    [(-0.022, 0.022, 0.45, -0.75, 0.65), (0.034, 0.028, 0.30, -1.05, 0.85)],
    [(0.120, 0.045, -0.05, 0.10, -0.16), (0.300, 0.058, -0.12, 0.48, -0.42)],
)
SPIKE: Waves = [(0, 0.0011, 0.45, -1.50, 0.70)]
RETROGRADE: Waves = [(0, 0.017, -0.02, -0.13, -0.05)]  # the atria, activated from below
LATE_RIGHT: Waves = [(0.052, 0.013, -0.30, -0.05, -0.55), (0.078, 0.018, -0.45, -0.02, -0.30)]

# Where the left ventricle is injured: the way from its middle, and when the dead part would have been activated [s]
TERRITORIES: Mapping[str, tuple[tuple[float, float, float], float]] = {
    "inferior": ((-0.05, 1.0, 0.0), -0.018),
    "anteroseptal": ((0.05, 0.0, -1.0), -0.018),
    "anterior": ((0.50, 0.0, -0.80), -0.016),
    "anterolateral": ((0.85, -0.20, -0.45), -0.016),
    "lateral": ((0.95, -0.45, 0.15), -0.018),
    "inferolateral": ((0.60, 0.75, 0.10), -0.018),
    "inferoposterior": ((0.0, 0.80, 0.60), -0.010),
    "inferoposterolateral": ((0.60, 0.60, 0.55), -0.010),
    "posterior": ((0.10, 0.10, 1.35), 0.004),
    "anywhere": ((0.70, 0.35, -0.20), -0.018),
}


@dataclass(frozen=True)
class Effect:
    """What a statement does to the waves of a conducted beat."""

    ventricles: str = "usual"
    atria: str = "usual"
    qrs: Waves = ()  # added
    late: Waves = ()  # added to ST and T
    voltage: tuple[float, float, float] = (1, 1, 1)  # of QRS, by axis
    t: float = 1  # factor on the T wave
    width: float = 1  # factor on the duration of QRS
    qt: float = 1  # factor on the time of T
    delay: float = 0  # s, between the atria and the ventricles


def _along(place: tuple[float, float], territory: str, size: float) -> tuple[float, float, float, float, float]:
    x, y, z = TERRITORIES[territory][0]
    return (*place, size * x, size * y, size * z)


def _infarct(territory: str) -> Effect:
    """Take the dead part's activation away, raise ST towards it, and turn T from it."""
    dead = _along((TERRITORIES[territory][1], 0.0125), territory, -0.62)
    return Effect(qrs=[dead], late=[_along(ST, territory, 0.20), _along(T, territory, -0.30)])


def _ischaemia(territory: str) -> Effect:
    return Effect(late=[_along(ST, territory, -0.09), _along(T, territory, -0.58)])


def _injury(territory: str) -> Effect:
    """Press ST away from the injured inner layer."""
    return Effect(late=[_along(ST, territory, -0.24), _along(T, territory, -0.12)])


RIGHT_BUNDLE = Effect(qrs=LATE_RIGHT, late=[(*T, 0.06, 0.03, 0.36)])
EFFECTS: Mapping[str, Effect] = {
    "IMI": _infarct("inferior"),
    "ASMI": _infarct("anteroseptal"),
    "AMI": _infarct("anterior"),
    "ALMI": _infarct("anterolateral"),
    "LMI": _infarct("lateral"),
    "ILMI": _infarct("inferolateral"),
    "IPMI": _infarct("inferoposterior"),
    "IPLMI": _infarct("inferoposterolateral"),
    "PMI": _infarct("posterior"),
    "INJAS": _injury("anteroseptal"),
    "INJAL": _injury("anterolateral"),
    "INJIN": _injury("inferior"),
    "INJLA": _injury("lateral"),
    "INJIL": _injury("inferolateral"),
    "ISC_": _ischaemia("anywhere"),
    "ISCAL": _ischaemia("anterolateral"),
    "ISCIN": _ischaemia("inferior"),
    "ISCIL": _ischaemia("inferolateral"),
    "ISCAS": _ischaemia("anteroseptal"),
    "ISCLA": _ischaemia("lateral"),
    "ISCAN": _ischaemia("anterior"),
    "NDT": Effect(t=0.12),
    "NST_": Effect(late=[(*ST, -0.07, -0.06, 0.02)], t=0.6),
    "DIG": Effect(late=[(0.135, 0.050, -0.15, -0.12, 0.03)], t=0.4, qt=0.90),
    "LNGQT": Effect(qt=1.25),
    "ANEUR": Effect(
        qrs=[_along((-0.016, 0.012), "anterior", -0.5)],
        late=[_along(ST, "anterior", 0.28), _along(T, "anterior", -0.2)],
    ),
    "EL": Effect(late=[(0.410, 0.040, 0.08, 0.07, -0.10)], t=0.35),  # a flat T before a U wave: potassium is low
    "LVH": Effect(voltage=(1.80, 1.15, 1.90), late=[(*ST, -0.10, -0.03, 0.07), (*T, -0.25, -0.08, -0.02)]),
    "RVH": Effect("right heart"),
    "SEHYP": Effect(qrs=[(-0.025, 0.0095, -0.30, -0.16, -0.35)]),
    "LAO/LAE": Effect(atria="left"),
    "RAO/RAE": Effect(atria="right"),
    "CLBBB": Effect("left bundle"),
    "ILBBB": Effect("left bundle, in part"),
    "CRBBB": RIGHT_BUNDLE,
    "IRBBB": Effect(qrs=[(0.046, 0.0095, -0.22, -0.05, -0.52)]),
    "LAFB": Effect("left anterior"),
    "LPFB": Effect("left posterior"),
    "IVCD": Effect(width=1.5),
    "WPW": Effect(qrs=[(-0.036, 0.0165, 0.42, 0.24, -0.16)], late=[(*T, -0.16, -0.10, 0.08)], delay=-0.040),
    "1AVB": Effect(delay=0.110),
    "LPR": Effect(delay=0.070),
    "ABQRS": Effect(qrs=[(-0.011, 0.0045, -0.22, -0.20, 0.10), (0.016, 0.0050, 0.18, 0.22, -0.25)]),
    "QWAVE": Effect(qrs=[(-0.025, 0.0105, -0.10, -0.45, -0.05)]),
    "VCLVH": Effect(voltage=(1.50, 1.05, 1.60)),
    "HVOLT": Effect(voltage=(1.45, 1.45, 1.45)),
    "LVOLT": Effect(voltage=(0.40, 0.38, 0.45), t=0.6),
    "STD_": Effect(late=[(*ST, -0.13, -0.11, 0.05)]),
    "STE_": Effect(late=[(*ST, 0.12, 0.10, -0.12)]),
    "LOWT": Effect(t=0.25),
    "NT_": Effect(t=0.40),
    "INVT": Effect(t=-0.75),
    "TAB_": Effect(late=[(0.305, 0.030, -0.26, -0.20, 0.18)]),  # T rises, then sinks
    # no statements of PTB-XL's, but labels of the Challenge's
    "BBB": Effect("left bundle"),
    "LAD": Effect(qrs=[(0.004, 0.0130, 0.10, -0.85, 0)]),
    "RAD": Effect(qrs=[(0.004, 0.0130, -0.95, 0.30, 0)]),
    "PRWP": Effect(qrs=[(-0.022, 0.0110, 0, 0, 0.28), (0.002, 0.0130, -0.30, 0, 0.32)]),
}


@dataclass(frozen=True)
class Heart:
    """One person's waves for every kind of event, and how long the ventricles wait."""

    waves: Mapping[str, np.ndarray]  # kind -> (waves, 6)
    delay: float  # s, from the middle of the P wave to the QRS


def heart(statements: Mapping[str, float], rng: np.random.Generator) -> Heart:
    """Draw a heart that deserves these statements; a likely one shows more plainly."""
    turn, size = Rotation.from_rotvec(rng.normal(0, 0.15, 3)).as_matrix(), rng.normal(0, 0.16)
    effects = [(Effect(), 1.0)]
    for code in filter(EFFECTS.__contains__, statements):
        certain = (statements[code] or 100) / 100
        effects.append((EFFECTS[code], rng.uniform(0.8, 1.2) * (0.6 + 0.4 * certain)))
    voltage = _strongest([(one.voltage[0], how) for one, how in effects])
    if voltage != 1:  # whose voltage is told of is on that side of the others anyway
        size = abs(size) if voltage > 1 else -abs(size)
    body = turn * np.exp(size)
    delay = 0.135 + rng.uniform(-0.012, 0.022) + sum(one.delay * how for one, how in effects)
    atria = _individual(ATRIA[_odd([one.atria for one, _ in effects])], body, rng)
    focus = Rotation.from_rotvec(rng.normal(0, 0.45, 3)).as_matrix() * rng.choice([-1, 1], p=[0.3, 0.7])
    spike = _individual(SPIKE, body, rng) * [1, 0, 1, 1, 1, 1] + [0, SPIKE[0][WIDTH], 0, 0, 0, 0]
    ectopic = atria * [rng.uniform(0.7, 1.1), 1, *rng.uniform(-0.5, 1.2, 3), 1]
    return Heart(
        waves={
            "N": _conducted(effects, body, rng),
            "V": _beat(VENTRICULAR, body @ focus, rng),
            "S": np.concatenate([_beat(PACED, body, rng), spike - [0.080, 0, 0, 0, 0, 0]]),
            "P": atria,
            "p": ectopic,
            "s": np.concatenate([atria, 0.5 * spike * [0, 2, 1, 1, 1, 1] - [0.055, 0, 0, 0, 0, 0]]),
            "r": _individual(RETROGRADE, body, rng),
        },
        delay=delay,
    )


def _odd(names: Sequence[str]) -> str:
    """Give the first name that is not the usual one."""
    return next((name for name in names if name != "usual"), "usual")


def _conducted(effects: Sequence[tuple[Effect, float]], body: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lay what the statements do over the waves of an ordinary beat."""
    qrs, late = VENTRICLES[_odd([one.ventricles for one, _ in effects])]
    early, waves_t = _individual(qrs, body, rng), _individual(late, body, rng, late=True)
    early[:, VECTOR] *= [_strongest([(one.voltage[way], how) for one, how in effects]) for way in range(3)]
    waves_t[:, VECTOR] *= _strongest([(one.t, how) for one, how in effects])
    waves_t[:, TIME] *= _strongest([(one.qt, how) for one, how in effects])
    added = [_individual(one.qrs, body * how, rng) for one, how in effects if one.qrs]
    turned = [_individual(one.late, body * how, rng, late=True) for one, how in effects if one.late]
    early = np.concatenate([early, *added])
    early[:, : VECTOR.start] *= _strongest([(one.width, how) for one, how in effects])
    return np.concatenate([early, waves_t, *turned])


def _strongest(factors: Sequence[tuple[float, float]]) -> float:
    """Weaken each factor by its severity; give the lowest below 1, else the highest: two words for one thing do not multiply."""
    changed = [1 + (factor - 1) * how for factor, how in factors]
    return min(changed) if min(changed) < 1 else max(changed)


def _beat(shape: tuple[Waves, Waves], body: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([_individual(shape[0], body, rng), _individual(shape[1], body, rng, late=True)])


def _individual(waves: Waves, body: np.ndarray, rng: np.random.Generator, late: bool = False) -> np.ndarray:
    """Make waves one person's: turn and size them with the heart, and vary each one's size, width and time."""
    varied = np.array([(*wave, late) for wave in waves])
    varied[:, VECTOR] = varied[:, VECTOR] @ body * rng.lognormal(0, 0.12, (len(varied), 1))
    varied[:, WIDTH] *= rng.lognormal(0, 0.06, len(varied))
    varied[:, TIME] *= rng.lognormal(0, 0.04, len(varied))
    return varied
