"""The report: one file that holds every cell of the tables, and figures that a browser draws without a network."""

import json
import re
import shutil
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst import charts, plots, report, report_runs, resolved, tables
from pqrst.figures import Example
from pqrst.files import write_json, write_text
from test_live import BROWSER
from test_plots import network, opened
from test_tables import TABLE, result

VOID = {"meta", "img", "br", "hr"}
PER_CLASS = [{"class": name, "recall": 0.5, "precision": 0.25, "f1": 1 / 3, "rows": 10} for name in "NS"]
DETAIL = {"confusion": [[5, 5], [2, 8]], "by_patient": {"100": "5 5 0 0", "101": "0 0 2 8"}, "per_class": PER_CLASS}


@pytest.fixture
def checkout(tmp_path):
    """Lay out what the stages before leave of one run, recorded once and made up twice, and of one that is only printed."""
    table = replace(
        TABLE,
        rows=(replace(TABLE.rows[0], published={"accuracy": 0.9872}), TABLE.rows[2]),
        note="A **note** with <script>alert(1)</script>.",
    )
    made_up = [result(0.94 + seed / 100, 0.8, synthetic=True, run="tiny", seed=seed, **DETAIL) for seed in (1, 2)]
    for one in made_up:
        write_json(tmp_path / "data/scores/fam/tiny" / f"seed-{one['seed']}" / "scores.json", one)
    metrics = tmp_path / "metrics"
    real = result(0.97, 0.9, run="tiny", seed=17, course={"f1_macro": [0.5, 0.75]}, **DETAIL)
    write_json(metrics / "paper/tiny/17.json", real)
    text, data = tables.build({"one": table}, tmp_path / "data/scores/fam", metrics / "paper")
    write_text(metrics / "tables/fam.md", text)
    write_text(metrics / "tables/fam.csv", data.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    write_json(metrics / "quality/beats.json", {"recordings": 8, "skipped": 1, "faulty": 0, "kinds": {"not_finite": 2}})
    seen = Example("right: is N, said N (0.99)", np.sin(np.arange(20.0))[None], None)
    plots.draw(plots.Page(metrics / "plots/tiny", "tiny", synthetic=True), [replace(network(), seen=[seen])], opened())
    for side in ("train", "validation"):
        write_text(metrics / f"train/tiny/seed-1/plots/metrics/{side}/loss.tsv", "step\tloss\n0\t1.5\n1\t0.5\n")
    resolved.write(tmp_path / "resolved/tables/fam.yaml", {"one": asdict(table)})
    resolved.write(tmp_path / "resolved/runs/tiny.yaml", asdict(replace(toys.RUN, loss="<b>ce</b>")))
    return report.Places(tmp_path / "resolved", tmp_path / "data/scores", metrics)


class Outline(HTMLParser):
    """Collects the cells of tables, and everything that is fetched; fails where tags do not close each other."""

    def __init__(self, page):
        super().__init__()
        self.open, self.cells, self.fetched, self.words = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.fetched += [told[key] for key in ("src", "srcset", "data") if key in told]
        self.fetched += [told["href"]] if tag == "link" else []
        self.open += [] if tag in VOID else [tag]
        self.cells += [""] if tag == "td" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if {"script", "style"} & {*self.open}:
            return
        self.words.append(data)
        if "td" in self.open:
            self.cells[-1] += f"{data} "


@pytest.fixture
def page(checkout):
    return report.build(checkout)


def specs_of(page):
    return json.loads(re.search(r'id="specs">(.*?)</script>', page, re.DOTALL)[1])


def test_every_cell_of_a_table_is_on_the_page(page):
    """Show the published value with its misprint, the recorded one with its interval, and ours, in one cell."""
    cells = [" ".join(cell.split()) for cell in Outline(page).cells]
    assert cells[:3] == [
        "1,686,725",
        ".9872 (printed .9782) ✗ .9700 (1) .5000 to .8000 by patient .9550 ± .0071 (2)",
        ".9000 (1) .3333 to .6419 by patient .8000 ± .0000 (2)",
    ]
    assert cells[3:6] == ["", ".5000", ""]


@pytest.mark.parametrize("name", ["0.0005", "NA"])
def test_a_row_may_be_called_by_a_number(checkout, name):
    """Find the cells of a row whose name is no word."""
    settings = checkout.resolved / "tables/fam.yaml"
    write_text(settings, settings.read_text().replace("Elsewhere", f"'{name}'"))
    file = checkout.metrics / "tables/fam.csv"
    write_text(file, file.read_text().replace("Elsewhere", name))
    assert f'<th scope="row">{name}</th>' in report.build(checkout)


def test_the_page_fetches_nothing(page):
    """Bring pictures along as data; no script, style or font comes from elsewhere."""
    fetched = Outline(page).fetched
    assert fetched
    assert all(one.startswith("data:image/png;base64,") for one in fetched)
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?http", page)


def test_what_comes_from_files_is_shown_not_used(page):
    """Escape settings and remarks: neither can bring a tag of its own."""
    assert "<script>alert" not in page
    assert "&lt;b&gt;ce&lt;/b&gt;" in page


def test_a_page_of_made_up_recordings_says_so(checkout):
    """Carry the banner while any run is made up, and none where all are real."""
    assert "says nothing about hearts" in report.build(checkout)
    for file in checkout.scores.rglob("scores.json"):
        told = json.loads(file.read_text())
        write_json(file, told | {"provenance": {"synthetic": False}})
    assert "says nothing about hearts" not in report.build(checkout)


def test_charts_hold_the_numbers_of_their_files(page):
    """Draw the table's score, losses by epoch, counts of the confusion matrix and accuracy by patient, the worst first."""
    specs = specs_of(page)
    values = {name: json.dumps(spec) for name, spec in specs.items()}
    assert "Tiny CNN,published,0.9872" in values["c0"]
    assert any("seed-1,1,1.5,train" in text and "seed-1,2,0.5,validation" in text for text in values.values())
    assert any("N,S,5,0.5" in text for text in values.values())
    assert any(r"100,0.5,10\n101,0.8,10" in text for text in values.values())
    assert set(re.findall(r'data-chart="(\w+)"', page)) == set(specs)


def test_the_gate_data_and_settings_are_told(page):
    """Name each verdict with its runs, what was examined, the settings, and where the page was built."""
    words = " ".join(Outline(page).words)
    for said in (
        "no leak; fitted on train rows",
        "not finite",
        "run: tiny",
        "torch",
        "47 of 47 patients on both sides",
    ):
        assert said in words


def test_a_run_without_epochs_or_pictures_is_told_too(checkout):
    """Leave out what an estimator has not: losses, and what it saw."""
    for file in (checkout.metrics / "train").rglob("loss.tsv"):
        file.unlink()
    (checkout.metrics / "plots/tiny/examples.png").unlink()
    page = report.build(checkout)
    assert "Loss by epoch" not in page
    assert "What the network saw" not in page


def test_few_lines_of_learning_are_drawn(tmp_path):
    """Show the first seeds where there are too many networks, and count from epoch 1."""
    for name in (f"{value}/seed-{seed}" for value in range(7) for seed in (1, 2)):
        write_text(tmp_path / name / "plots/metrics/train/loss.tsv", "step\tloss\n0\t1.0\n")
    losses = report_runs.losses(tmp_path)
    assert losses["line"].tolist() == [f"{value}/seed-1" for value in range(7)]
    assert set(losses["epoch"]) == {1}


def test_building_twice_gives_the_same_bytes(checkout):
    """Hold no time and no folder."""
    page = report.build(checkout)
    assert page == report.build(checkout)
    assert str(checkout.metrics.parent) not in page


def test_every_chart_is_one_that_the_library_takes(page):
    """Compile each specification as the browser does."""
    from vl_convert import vegalite_to_svg

    for name, spec in specs_of(page).items():
        assert vegalite_to_svg({**spec, "width": 300}).startswith("<svg"), name


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser")
@pytest.mark.parametrize("width", [375, 1280])
def test_in_a_browser(page, tmp_path, width):
    """Draw the charts without a request, keep within a telephone's width, sort by a click, and enlarge a chart."""
    api = pytest.importorskip("playwright.sync_api")
    (tmp_path / "report.html").write_text(page)
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        shown, said, asked = browser.new_page(viewport={"width": width, "height": 800}), [], []
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto((tmp_path / "report.html").as_uri())
        shown.locator("article .chart svg").first.wait_for()
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        first = shown.locator("article tbody tr th").first
        assert first.inner_text() == "Tiny CNN"
        for expected in ("Tiny CNN", "Elsewhere"):  # falling, then rising: .97 recorded, .50 published
            shown.locator("article thead th", has_text="acc").click()
            assert first.inner_text() == expected
        shown.locator("article .chart").first.click()
        shown.locator("#large svg").wait_for()
        shown.keyboard.press("Escape")
        first.page.evaluate("location.hash = 'run-tiny'")
        shown.locator("#run-tiny .chart svg").first.wait_for()
        assert shown.locator("#run-tiny .chart svg").count() >= 1
        browser.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_the_page_for_dvc_plots_brings_its_library():
    """Keep the places that DVC fills, once each, and fetch nothing."""
    text = report.plots_page()
    assert [text.count(place) for place in ("{plot_divs}", "{refresh_tag}", "{scripts}")] == [1, 1, 0]
    assert "cdn" not in text[:2000]
    assert "vegaEmbed" in text


def test_a_curve_is_drawn_in_its_own_order():
    """Say that places are numbers and classes words, which the library would guess otherwise."""
    table = pd.DataFrame({"class": ["1"] * 12, "recall": np.linspace(1, 0, 12), "precision": np.linspace(0, 1, 12)})
    read = charts.curves(table)["data"]["format"]["parse"]
    assert read == {"line": "string", "x": "number", "y": "number", "order": "number"}


def test_the_figures_are_those_of_the_value_that_evaluation_drew(checkout):
    """Show the first value in the order of the settings, not of the alphabet."""
    over = {value: asdict(replace(toys.RUN, value=value)) for value in ("b", "a")}
    resolved.write(checkout.resolved / "runs/tiny.yaml", {"over": over})
    for value in over:
        told = json.loads((checkout.scores / "fam/tiny/seed-1/scores.json").read_text()) | {"value": value}
        write_json(checkout.scores / f"fam/tiny/{value}/seed-1/scores.json", told)
    for seed in (1, 2):
        shutil.rmtree(checkout.scores / f"fam/tiny/seed-{seed}")
    found = report_runs.Found(checkout.resolved / "runs", checkout.scores / "fam", checkout.metrics)
    assert report_runs.told("tiny", found, report_runs.Charts()).seen[-1].kind == "on made-up recordings, b seed 1"
