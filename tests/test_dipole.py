"""The made-up twelve leads: true to the algebra of the leads, and to what each statement says of a heart."""

import csv
from functools import cache

import numpy as np
import pytest
from scipy.signal import find_peaks, welch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from pqrst.made_up import _dipole, _rhythms, _waves, challenge2021, ptbxl
from pqrst.made_up._dipole import LEADS, Person, signal

FS = 500  # Hz
BEFORE, AFTER = 200, 275  # samples of a beat around the middle of its QRS
STATEMENTS = ptbxl.STATEMENTS
TROUBLE = {"baseline_drift": "alles", "static_noise": "alles", "burst_noise": "alles", "electrodes_problems": "V3"}
SEEDS = range(7)


def person(codes, seed=0, trouble=_dipole.NO_TROUBLE):
    return Person(60.0, seed % 2, dict.fromkeys(codes.split(), 100.0), seed, trouble)


@cache
def drawn(codes, seed):
    return signal(person(codes, seed), np.random.default_rng(1000 + seed))


def places(x):
    """Find the beats: smoothed slopes of all leads together, the peaks well above what lies between."""
    smooth = np.diff(x.cumsum(axis=1)[:, ::5], 2) / 5  # (leads, samples at 100 Hz)
    energy = np.convolve(abs(smooth).sum(axis=0), np.ones(9) / 9, "same")
    found, _ = find_peaks(energy, height=0.4 * np.percentile(energy, 98), distance=25)
    found = 5 * found + 5
    return found[(found >= BEFORE) & (found < x.shape[1] - AFTER)]


@cache
def beat(codes, seed):
    """Give the median beat in mV above the level before its QRS, (12, samples); its times are those it was drawn at."""
    one = person(codes, seed)
    delay = _waves.heart(one.statements, np.random.default_rng(seed)).delay
    found = _rhythms.events(one.statements, delay, 10.0, np.random.default_rng(1000 + seed))
    return median_beat(drawn(codes, seed), found.times[np.isin(found.kinds, ["N", "S"])])


def median_beat(x, times):
    middles = np.rint(times * FS).astype(int)
    inside = middles[(middles >= BEFORE) & (middles < x.shape[1] - AFTER)]
    found = np.median([x[:, place - BEFORE : place + AFTER] for place in inside], axis=0)
    return found - found[:, at(-90) : at(-60)].mean(axis=1, keepdims=True)


def at(ms):
    """Give the sample of a beat that lies so many milliseconds after the middle of its QRS."""
    return BEFORE + round(ms * FS / 1000)


def typical(measure, codes, seeds=SEEDS):
    """Give the median of a measure over several persons."""
    return float(np.median([measure(beat(codes, seed)) for seed in seeds]))


def between(lead, start, end):
    return lambda b: b[LEADS.index(lead), at(start) : at(end)]


def level(lead, ms):
    """Measure a lead's height around a time."""
    return lambda b: between(lead, ms - 10, ms + 10)(b).mean()


def highest(lead, start=-60, end=60):
    return lambda b: between(lead, start, end)(b).max()


def lowest(lead, start=-60, end=60):
    return lambda b: between(lead, start, end)(b).min()


def width(b):
    """Measure the QRS in ms: from the first to the last slope of all leads that is a fifth of the greatest."""
    part = b[:, at(-110) : at(140)].cumsum(axis=1)
    smooth = part[:, 5:] - part[:, :-5]
    slope = np.linalg.norm(smooth[:, 5:] - smooth[:, :-5], axis=0)
    steep = np.flatnonzero(slope > 0.2 * slope.max())
    return (steep[-1] - steep[0]) * 1000 / FS


def axis(b):
    """Measure the axis of the QRS in degrees, 0 to the left and 90 to the feet."""
    one, foot = (highest(lead)(b) + lowest(lead)(b) for lead in ("I", "aVF"))
    return np.degrees(np.arctan2(2 / np.sqrt(3) * foot, one))


def waiting(b):
    """Measure from the top of the P wave to the middle of the QRS, in ms."""
    early = b[LEADS.index("II"), : at(-70)]
    return (BEFORE - np.argmax(early)) * 1000 / FS


def sokolow(b):
    return -lowest("V1")(b) + max(highest("V5")(b), highest("V6")(b))


def intervals(codes, seed):
    return np.diff(places(drawn(codes, seed))) / FS


def irregularity(codes):
    return np.median([intervals(codes, seed).std() / intervals(codes, seed).mean() for seed in SEEDS])


def happened(codes, seed, seconds=30.0):
    return _rhythms.events(set(codes.split()), 0.15, seconds, np.random.default_rng(seed))


def test_four_leads_follow_from_two():
    """With 1.0 mV on I and 0.6 mV on II, Einthoven and Goldberger leave no choice for the rest."""
    eight = np.array([1.0, 0.6, 1, 2, 3, 4, 5, 6])
    assert _dipole.DERIVED @ eight == pytest.approx([1.0, 0.6, -0.4, -0.8, 0.7, 0.1, 1, 2, 3, 4, 5, 6])


def test_electrodes_make_the_leads():
    """A millivolt on the right arm lowers I and II by one and the chest by a third; the same everywhere is nothing."""
    assert _dipole.ELECTRODES[:, 0] == pytest.approx([-1, -1, *[-1 / 3] * 6])
    assert _dipole.ELECTRODES[:, 1] == pytest.approx([1, 0, *[-1 / 3] * 6])
    assert _dipole.ELECTRODES[:, 3] == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0])
    assert _dipole.ELECTRODES @ np.ones(9) == pytest.approx(np.zeros(8))


def test_a_dipole_to_the_feet_stands_upright_below():
    """A force straight down is positive in II, III and aVF, negative in aVR and aVL."""
    leads = dict(zip(LEADS, _dipole.DERIVED @ _dipole.DOWER @ [0, 1, 0], strict=True))
    assert min(leads[name] for name in ("II", "III", "aVF")) > 1
    assert max(leads[name] for name in ("aVR", "aVL")) < -0.4


@pytest.mark.parametrize("codes", ["NORM SR", "AFIB", "PACE", "CLBBB SR"])
def test_the_algebra_holds_with_all_noise(codes):
    """Noise comes from the electrodes, so it too obeys the leads; after rounding, to one step."""
    x = dict(zip(LEADS, signal(person(codes, 3, TROUBLE), np.random.default_rng(0)), strict=True))
    assert np.allclose(x["III"], x["II"] - x["I"], atol=1e-12)
    assert np.allclose(x["aVR"], -(x["I"] + x["II"]) / 2, atol=1e-12)
    assert np.allclose(x["aVL"], x["I"] - x["II"] / 2, atol=1e-12)
    assert np.allclose(x["aVF"], x["II"] - x["I"] / 2, atol=1e-12)
    steps = {name: np.rint(1000 * lead) for name, lead in x.items()}
    assert abs(steps["III"] - (steps["II"] - steps["I"])).max() <= 1


@pytest.mark.parametrize(("fs", "seconds"), [(500.0, 10.0), (257.0, 60.0), (1000.0, 38.4), (100.0, 6.5)])
def test_any_rate_and_length(fs, seconds):
    """The recording has as many samples as asked for, and the same heart: the same height in V5."""
    x = signal(person("NORM SR"), np.random.default_rng(1), seconds, fs)
    assert x.shape == (12, round(seconds * fs))
    assert np.isfinite(x).all()
    assert np.percentile(x[LEADS.index("V5")], 99.5) == pytest.approx(
        np.percentile(drawn("NORM SR", 0)[LEADS.index("V5")], 99.5), rel=0.35
    )


def test_chance_comes_from_the_generator():
    """Equal generators give equal recordings, others other ones, and equal seeds one body."""
    one, same, other = (signal(person("SR"), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    bodies = [_waves.heart({"SR": 0.0}, np.random.default_rng(seed)).waves["N"] for seed in (4, 4, 5)]
    assert np.array_equal(bodies[0], bodies[1])
    assert not np.array_equal(bodies[0], bodies[2])


def test_every_statement_leaves_a_trace():
    """Each of PTB-XL's statements changes waves or rhythm, but the normal one and plain sinus rhythm."""
    with STATEMENTS.open() as file:
        codes = {row["code"] for row in csv.DictReader(file)} - {"NORM", "SR"}
    assert len(codes) == 69
    assert {code for code in codes if np.array_equal(drawn(code, 2), drawn("SR", 2))} == set()


def test_every_statement_gives_a_plausible_recording():
    """No statement, and no card of the decks, makes voltages that no heart has."""
    decks = (ptbxl.NORMAL, ptbxl.INFARCTION, ptbxl.CHANGE, ptbxl.CONDUCTION, ptbxl.HYPERTROPHY, ptbxl.RHYTHM)
    cards = {card for deck in (*decks, challenge2021.CARDS) for card in deck.split(", ")}
    with STATEMENTS.open() as file:
        cards |= {row["code"] for row in csv.DictReader(file)}
    heights = {card: abs(drawn(card, 2)).max() for card in cards}
    assert {card for card, height in heights.items() if not 0.3 < height < 6} == set()


def test_two_words_for_one_thing_do_not_multiply():
    """Of several factors the strongest counts, and one that lessens before one that raises."""
    assert _waves._strongest([(1.0, 1.0), (1.8, 1.0), (1.5, 1.0)]) == pytest.approx(1.8)
    assert _waves._strongest([(1.0, 1.0), (0.25, 1.0), (1.5, 1.0)]) == pytest.approx(0.25)
    assert _waves._strongest([(1.0, 1.0), (-0.75, 0.5)]) == pytest.approx(0.125)
    assert _waves._strongest([(1.0, 1.0)]) == 1


def test_less_likely_shows_less():
    """A statement of 15 changes the waves less than one of 100, and one without a likelihood like one of 100."""

    def added(likelihood, seed):
        waves = _waves.heart({"IMI": likelihood}, np.random.default_rng(seed)).waves["N"]
        return np.linalg.norm(waves[len(_waves.VENTRICLES["usual"][0]), _waves.VECTOR])

    dead = {likelihood: [added(likelihood, seed) for seed in SEEDS] for likelihood in (100.0, 15.0, 0.0)}
    assert np.divide(dead[15.0], dead[100.0]) == pytest.approx(np.full(len(SEEDS), 0.66))
    assert dead[0.0] == dead[100.0]


def test_a_normal_beat_is_normal():
    """Narrow, upright in I, II and V3 to V6 with its T wave, S before R in the chest, an axis between -30 and 90 degrees."""
    assert typical(width, "NORM SR") < 110
    assert -30 < typical(axis, "NORM SR") < 90
    assert 120 < typical(waiting, "NORM SR") < 200
    assert all(typical(level(lead, 270), "NORM SR") > 0.05 for lead in ("I", "II", "V2", "V3", "V4", "V5", "V6"))
    assert typical(level("aVR", 270), "NORM SR") < -0.05
    assert all(abs(typical(level(lead, 90), "NORM SR")) < 0.07 for lead in LEADS)
    ratios = [typical(lambda b, lead=lead: highest(lead)(b) / -lowest(lead)(b), "NORM SR") for lead in LEADS[6:10]]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.6
    assert ratios[3] > 1.5


def test_blocked_branches_widen_the_qrs():
    """120 ms or more in a complete block, less in an incomplete one, and more than normal in all."""
    normal = typical(width, "NORM SR")
    assert all(typical(width, f"{code} SR") > 120 for code in ("CLBBB", "CRBBB", "IVCD"))
    assert all(normal + 5 < typical(width, f"{code} SR") < 130 for code in ("IRBBB", "ILBBB"))


def test_right_bundle_branch_block_ends_to_the_right():
    """A second R in V1 after the normal QRS, a broad S in I and V6, T turned in V1."""
    assert typical(highest("V1", 40, 110), "CRBBB SR") > 0.4
    assert typical(highest("V1", 40, 110), "NORM SR") < 0.1
    assert all(typical(lowest(lead, 40, 110), "CRBBB SR") < -0.2 for lead in ("I", "V6"))
    assert typical(level("V1", 270), "CRBBB SR") < -0.05


def test_left_bundle_branch_block_turns_all_to_the_left():
    """A deep S without R in V1, a broad R without q in V6, T against the QRS."""
    assert typical(lowest("V1"), "CLBBB SR") < -0.8
    assert typical(highest("V1", -70, 30), "CLBBB SR") < 0.1
    assert typical(lowest("V6", -70, 0), "CLBBB SR") > -0.08
    assert typical(level("V6", 270), "CLBBB SR") < -0.1 < 0.1 < typical(level("V1", 270), "CLBBB SR")


def test_fascicles_and_ventricles_turn_the_axis():
    """To the left and up in LAFB and LAD, to the right in LPFB, RVH and RAD."""
    assert all(typical(axis, f"{code} SR") < -30 for code in ("LAFB", "LAD"))
    assert all(typical(axis, f"{code} SR") > 90 for code in ("LPFB", "RVH", "RAD"))


def test_infarcts_stand_in_the_leads_of_their_wall():
    """Q and a raised ST in the leads that look at the wall, a lowered ST in those that look from behind."""
    walls = {"IMI": ("II", "III", "aVF"), "ASMI": ("V1", "V2", "V3"), "AMI": ("V2", "V3", "V4"), "LMI": ("I", "aVL")}
    away = {"IMI": "aVL", "LMI": "III", "PMI": "V2", "ASMI": None, "AMI": None}
    for code, leads in walls.items():
        for lead in leads:
            assert typical(level(lead, 115), f"{code} SR") > typical(level(lead, 115), "NORM SR") + 0.07
            assert typical(level(lead, -18), f"{code} SR") < typical(level(lead, -18), "NORM SR") - 0.15
    assert all(typical(level(lead, 115), f"{code} SR") < -0.05 for code, lead in away.items() if lead)
    assert typical(highest("V2"), "PMI SR") > typical(highest("V2"), "NORM SR") + 0.1


def test_ischaemia_sinks_st_and_turns_t():
    """T below zero in the leads of the wall; ST sinks in the plain depressions."""
    leads = {"ISC_": "V5", "ISCAL": "V4", "ISCIN": "III", "ISCLA": "aVL", "ISCAN": "V3", "INVT": "V5"}
    assert all(typical(level(lead, 270), f"{code} SR") < -0.05 for code, lead in leads.items())
    assert all(typical(level("V5", 110), f"{code} SR") < -0.04 for code in ("STD_", "DIG", "NST_", "INJAL"))
    assert typical(level("V3", 110), "STE_ SR") > 0.1
    assert abs(typical(level("V5", 270), "NDT SR")) < 0.5 * typical(level("V5", 270), "NORM SR")


def test_voltages_follow_the_criteria():
    """Sokolow and Lyon's 3.5 mV tell the left ventricle, R in V1 the right one; low voltage stays low in the limbs."""
    assert typical(sokolow, "NORM SR") < 3.0
    assert typical(sokolow, "LVH SR") > 3.5
    assert typical(sokolow, "VCLVH SR") > typical(sokolow, "NORM SR") + 0.5
    assert typical(level("V6", 270), "LVH SR") < 0.5 * typical(level("V6", 270), "NORM SR")
    assert typical(highest("V1"), "RVH SR") > 0.6
    assert typical(lowest("V6"), "RVH SR") < -0.3
    assert typical(lambda b: np.ptp(b[:6, at(-60) : at(60)], axis=1).max(), "LVOLT SR") < 0.7


def test_atria_and_their_way_down():
    """A tall P on the right, a deep end of P in V1 on the left, a long way in 1AVB, a short one in WPW."""
    p = (-220, -75)
    assert typical(highest("II", *p), "RAO/RAE SR") > 0.19 > typical(highest("II", *p), "NORM SR")
    assert typical(lowest("V1", *p), "LAO/LAE SR") < typical(lowest("V1", *p), "NORM SR") - 0.04
    assert typical(waiting, "1AVB SR") > 200
    assert typical(waiting, "LPR SR") > typical(waiting, "NORM SR") + 40
    assert typical(waiting, "WPW SR") < typical(waiting, "NORM SR") - 10


def test_a_long_qt_moves_t():
    """The top of T comes later."""
    top = lambda b: np.argmax(b[LEADS.index("V3"), at(150) :])  # noqa: E731 (a measure like the others)
    assert typical(top, "LNGQT SR") > typical(top, "NORM SR") + 15


@pytest.mark.parametrize(
    ("codes", "low", "high"),
    [("SR", 60, 96), ("STACH", 100, 150), ("SBRAD", 40, 60), ("SVTAC", 150, 210), ("3AVB", 30, 48), ("PACE", 58, 84)],
)
def test_rates(codes, low, high):
    """Each rhythm keeps its rate, in beats a minute."""
    found = [60 / np.median(intervals(codes, seed)) for seed in SEEDS]
    assert low <= min(found) <= max(found) <= high


def test_irregular_rhythms_are_irregular():
    """Intervals scatter without end in fibrillation, breathe in sinus arrhythmia, and hardly vary in sinus rhythm."""
    assert irregularity("AFIB") > 0.12
    assert irregularity("SARRH") > 0.07
    assert irregularity("SVARR") > 0.10
    assert irregularity("SR") < 0.05
    assert irregularity("PACE") < 0.01


def test_fibrillating_atria_have_no_p():
    """Nothing stands at one place before the QRS, but the line is restless."""
    assert typical(highest("II", -220, -75), "AFIB") < 0.6 * typical(highest("II", -220, -75), "SR")
    assert "P" not in happened("AFIB", 0).kinds
    assert happened("AFIB", 0).fibrillates


def test_flutter_has_its_frequency():
    """The strongest frequency between the beats is the atria's own, 270 to 324 a minute, and beats follow whole turns."""
    for seed in SEEDS:
        found = happened("AFLT", seed)
        atria = _dipole._restless(found, 5000, FS, np.random.default_rng(seed))
        frequencies, power = welch(atria[1], FS, nperseg=4096)
        assert frequencies[np.argmax(power)] == pytest.approx(found.flutter, abs=0.15)
        assert 270 <= 60 * found.flutter <= 324
        turns = np.diff(np.sort(found.times)) * found.flutter
        assert np.allclose(turns, np.rint(turns))
        assert set(np.rint(turns)) <= {2, 3, 4}


def test_flutter_shows_in_the_recording():
    """Lead aVF has more power at the flutter's frequency than sinus rhythm has there."""

    def power(codes, seed):
        frequencies, found = welch(drawn(codes, seed)[LEADS.index("aVF")], FS, nperseg=2048)
        return found[(frequencies > 4.3) & (frequencies < 5.6)].max()

    assert np.median([power("AFLT", seed) / power("SR", seed) for seed in SEEDS]) > 2


def test_a_pacemaker_leaves_spikes():
    """A step of a third of a millivolt within 2 ms for each paced beat, none in a normal recording; a broad beat follows."""

    def spikes(codes, seed):
        jumps = abs(np.diff(drawn(codes, seed), axis=1)).max(axis=0)
        return len(find_peaks(jumps, height=0.33, distance=50)[0])

    for seed in SEEDS:
        assert spikes("PACE", seed) >= len(intervals("PACE", seed))
        assert spikes("NORM SR", seed) == 0
    assert typical(lambda b: width(np.where(np.arange(b.shape[1]) < at(-70), 0, b)), "PACE") > 120


def test_bigeminy_and_trigeminy_repeat():
    """Every second or third beat is early, and a pause follows."""
    for codes, step in (("BIGU PVC", 2), ("TRIGU PVC", 3), ("BIGU PAC", 2)):
        found = happened(codes, 1)
        order = np.argsort(found.times)
        beats = order[np.isin(found.kinds[order], ["N", "V"])]
        gaps = np.diff(found.times[beats])[: 6 * step].reshape(-1, step)
        shortest = np.argmin(gaps, axis=1)
        assert len(set(shortest)) == 1
        assert (gaps.max(axis=1) > 1.25 * gaps.min(axis=1)).all()
        if "PVC" in codes:
            assert len(set(np.diff(np.flatnonzero(found.kinds[beats] == "V")))) == 1


def test_early_beats_come_in_every_recording():
    """PVC and PAC show at least once within 10 s, even at a slow rate; what is ventricular has no P wave."""
    for seed in range(20):
        for codes, kind in (("SBRAD PVC", "V"), ("SR PVC", "V"), ("SBRAD PAC", "p"), ("AFIB PVC", "V")):
            found = happened(codes, seed, 10.0)
            times = found.times[found.kinds == kind]
            assert ((times > 0.3) & (times < 9.7)).any()
        found = happened("SR PVC", seed, 10.0)
        assert (found.kinds == "P").sum() == (found.kinds == "N").sum()


def test_tachycardia_begins_or_ends():
    """In PSVT the intervals change once, from slow to fast or back."""
    starts = []
    for seed in range(12):
        gaps = intervals("PSVT", seed)
        assert gaps.max() > 1.4 * gaps.min()
        starts.append(gaps[0] > gaps[-1])
    assert len(set(starts)) == 2


def test_blocked_atria_outnumber_the_beats():
    """In 2AVB some P waves, in 3AVB most, have no beat; in 3AVB the two go their own ways."""
    for codes, low, high in (("2AVB", 1.2, 1.6), ("3AVB", 1.4, 3.2)):
        found = happened(codes, 3)
        assert low < (found.kinds == "P").sum() / (found.kinds == "N").sum() < high
    apart = happened("3AVB", 3)
    atria, beats = (np.sort(apart.times[apart.kinds == kind]) for kind in "PN")
    waits = beats[2:] - atria[np.searchsorted(atria, beats[2:]) - 1]
    assert waits.std() > 0.1


def test_trouble_is_where_it_is_said_to_be():
    """Drift is slow, static noise fast, and a bad electrode of the chest spoils its own lead only."""

    def noise(trouble):
        return (
            _dipole.DERIVED
            @ _dipole.ELECTRODES
            @ _dipole._noise(person("SR", 1, trouble), 5000, FS, np.random.default_rng(3))
        )

    quiet = noise({})
    assert np.median(noise({"baseline_drift": "alles"}).std(axis=1) / quiet.std(axis=1)) > 2.5
    fast = np.diff(noise({"static_noise": "alles"})).std(axis=1) / np.diff(quiet).std(axis=1)
    assert fast.min() > 2
    bad = (noise({"electrodes_problems": "V3"}) - _dipole.DERIVED @ np.zeros((8, 5000))).std(axis=1)
    assert np.argmax(bad) == LEADS.index("V3")


def features(x):
    """Give the median beat of a recording at 50 Hz, its height and its rhythm, for a quick classifier."""
    found = places(x)
    shape = np.median([x[:, place - BEFORE : place + AFTER] for place in found], axis=0)
    shape = shape - np.median(shape, axis=1, keepdims=True)
    gaps = np.diff(found) / FS
    coarse = shape[:, : shape.shape[1] // 10 * 10].reshape(12, -1, 10).mean(axis=2)
    return np.concatenate([coarse.ravel(), np.ptp(shape, axis=1), [np.median(gaps), gaps.std() / gaps.mean()]])


def test_the_superclasses_can_be_learnt():
    """A forest tells the five superclasses of unseen patients; on shuffled labels it knows nothing."""
    with STATEMENTS.open() as file:
        superclass = {row["code"]: row["diagnostic_class"] for row in csv.DictReader(file)}
    cases = ptbxl.deal(300, np.random.default_rng(0))
    x = np.array([features(signal(case.person, np.random.default_rng(n))) for n, case in enumerate(cases)])
    classes = ("NORM", "MI", "STTC", "CD", "HYP")
    y = np.array([[any(superclass[code] == c for code in case.person.statements) for c in classes] for case in cases])
    folds = np.array([case.fold for case in cases])
    train, test = folds <= 6, folds > 6

    def macro(labels):
        forest = RandomForestClassifier(80, min_samples_leaf=2, random_state=0).fit(x[train], labels[train])
        chances = [one[:, 1] for one in forest.predict_proba(x[test])]
        return np.mean([roc_auc_score(labels[test, n], chance) for n, chance in enumerate(chances)])

    assert macro(y) > 0.85
    assert 0.40 < macro(y[np.random.default_rng(2).permutation(len(y))]) < 0.60
