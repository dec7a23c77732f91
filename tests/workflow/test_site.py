"""The site in a browser without a network: what `make site` makes, looked at as readers do.

Skipped without what `make site` installs and fetches, and without Chromium.
"""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pytest
from snakemake_calls import ROOT, SNAKEMAKE, jobs, output

from replication.paths import PUBLISHED_TABLES
from replication.report.rows import read
from replication.report.site import build

pytestmark = pytest.mark.slow
BUNDLES = ROOT / "results" / "bundles"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = {"phone": 390, "desk": 1280}
# Tabulator counts the buttons that turn its pages among the rows.
RULES = {"runOnly": ["wcag2a", "wcag2aa"], "rules": {"aria-required-children": {"enabled": False}}}
LARGEST = 3 * 2**20  # bytes that a page may load
READY = """() => document.readyState === "complete"
  && (!window.MathJax?.startup || MathJax.startup.promise.then(() => true))
  && [...document.querySelectorAll("[data-curves], [data-picture], [data-table], [data-denoised], [data-searches]")]
    .every((mount) => mount.children.length)
"""


def test_the_site_asks_for_no_run(tmp_path):
    """With the project's own configuration on a fresh clone: what is not computed is drawn from published records."""
    command = [SNAKEMAKE, "site", "--dry-run", "--snakefile", ROOT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert jobs(done) == {"fetch_bundles": 1, "build_site": 1, "site": 1}, output(done)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("sphinx", reason="the extra site is not installed: make site")
    if not BUNDLES.exists():
        pytest.skip("the bundles are not fetched: make site")
    folder = tmp_path_factory.mktemp("site")
    build(ROOT, folder, BUNDLES, [])
    return folder


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra site is not installed: make site")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def pages(site) -> list[Path]:
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


@pytest.fixture
def visit(browser, site):
    """Opens a page from disk. `visit.faults` has errors of the console and what was missing."""
    contexts = []

    def open_page(path: Path | str, width: str = "desk", **options):
        context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and open_page.faults.append(message.text))
        page.on("pageerror", lambda error: open_page.faults.append(str(error)))
        page.on("requestfailed", lambda request: open_page.faults.append(request.url))
        page.on("request", lambda request: open_page.requests.append(request.url))
        page.goto((site / path).as_uri())
        page.wait_for_function(READY)
        return page

    open_page.faults, open_page.requests = [], []
    yield open_page
    for context in contexts:
        context.close()


def test_every_page_opens_from_disk_whole_and_small_fits_a_phone_and_leads_somewhere(visit, pages):
    names, links = {}, []
    for path in pages:
        visit.requests.clear()
        page = visit(path, "phone")
        assert visit.faults == [], path
        assert {urlparse(url).scheme for url in visit.requests} <= {"file", "data"}, path
        files = {unquote(urlparse(url).path) for url in visit.requests if url.startswith("file")}
        assert sum(Path(file).stat().st_size for file in files) < LARGEST, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than a phone"
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth && image.alt)"), path
        names[path] = set(page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)"))
        links += [(path, href) for href in page.evaluate("[...document.links].map((link) => link.href)")]
        page.context.close()
    for path, href in links:
        url, fragment = urldefrag(href)
        if url.startswith("file"):
            target = Path(unquote(urlparse(url).path))
            assert target.is_file(), f"{path} links to {href}"
            if fragment and target in names and target.name != "convergence.html":  # there it chooses a setting
                assert unquote(fragment) in names[target], f"{path} links to {href}"


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize(
    "path",
    [
        *("index.html", "docs/method.html", "docs/assumptions.html", "convergence.html", "verdicts.html"),
        *("denoised.html", "searches.html"),
        *("provenance.html", "experiments/autoencoder.html", "notebooks/executed/autoencoder/badmm.html"),
    ],
)
def test_a_page_is_accessible(visit, path, colours):
    """By axe's rules of WCAG 2 A and AA: contrast, alternative texts, labels, what the keyboard reaches."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(path, color_scheme=colours)
    found = axe.run(page, options=RULES).response["violations"]
    faults = [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
    assert not faults, "\n".join(faults[:20])


def test_formulas_are_drawn(visit):
    page = visit("docs/method.html")
    drawn, written = (page.locator(selector).count() for selector in ("mjx-container svg", ".math"))
    assert drawn >= written > 50
    assert page.locator("[data-mjx-error]").count() == 0


def test_a_cell_of_the_limits_is_reached_by_keys_and_shows_its_record(visit):
    page = visit("verdicts.html")
    page.locator("[data-picture] select").focus()
    for key in ("Tab", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    shown = page.locator("[data-picture] .details")
    assert re.search("Verdict: .* Effect: .* seeds", shown.inner_text())
    assert shown.get_by_role("link", name="Record").count() == 2
    shown.get_by_role("link", name="Curves of this setting").click()
    page.wait_for_function(READY)
    assert page.locator("select").first.input_value() in page.url


def test_a_table_is_filtered_and_a_row_shows_what_is_behind_it(visit):
    page = visit("verdicts.html")
    table = page.locator("[data-table=claims]")
    table.get_by_label("filter experiment").press_sequentially("perceptron-teacher")
    rows = sum(name.startswith("perceptron-teacher") for name in read(ROOT / PUBLISHED_TABLES)["claims"])
    page.wait_for_function(
        f"document.querySelector('[data-table=claims] .tabulator-page-counter').innerText.includes('of {rows}')"
    )
    table.get_by_role("button", name="show").first.press("Enter")
    assert "perceptron-teacher" in table.locator(".details h4").inner_text()


def test_curves_follow_the_boxes(visit):
    page = visit("convergence.html")
    page.get_by_label("Adam", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("seconds").check()
    described = page.locator(".chart").get_attribute("aria-label")
    assert "against seconds" in described
    assert "Adam" not in described
    assert page.locator(".numbers tbody tr").count() == 3


def test_the_slider_steps_through_the_denoised_images_by_keys(visit):
    page = visit("denoised.html")
    slider, adam = page.get_by_label("Iteration"), page.locator(".pictures figure", has_text="Adam")
    seen = []
    for key in ("Home", "ArrowRight", "End"):
        slider.press(key)
        iteration = page.locator("output").inner_text()
        assert slider.get_attribute("aria-valuetext") == f"iteration {iteration}"
        assert adam.locator("img").get_attribute("alt").endswith(f"by Adam at iteration {iteration}")
        assert page.locator("tr.wanted td").first.inner_text() == iteration
        seen.append((int(iteration), adam.locator("img").get_attribute("src"), adam.locator(".quality").inner_text()))
    iterations, pictures, qualities = zip(*seen, strict=True)
    assert iterations == (0, 1, 500)
    assert len(set(pictures)) == len(set(qualities)) == 3
    assert all(re.fullmatch(r"\d+\.\d dB", quality) for quality in qualities)
    assert page.locator(".pictures img").evaluate_all("images => images.every((image) => image.naturalWidth === 28)")
    assert visit.faults == []


def test_the_searches_follow_the_boxes(visit):
    page = visit("searches.html")
    assert page.locator(".panels figure").count() == 2
    page.get_by_label("student-levers", exact=True).press("Space")
    page.get_by_label("Adam", exact=True).uncheck()
    page.get_by_label("validation loss").check()
    page.get_by_label("trials", exact=True).check()
    described = page.locator(".panels .chart").evaluate_all("charts => charts.map((chart) => chart.ariaLabel)")
    assert [text.partition(":")[0] for text in described] == ["autoencoder", "autoencoder-levers", "student-levers"]
    for text in described:
        assert "best validation loss" in text
        assert not re.search(r"\bAdam\b(?!, (mini-batches|weight decay|warm-up))", text)
    rows = page.locator(".numbers tbody tr")
    assert rows.filter(has_text="student-levers").count() == described[-1].count(",")
    assert visit.faults == []


def test_a_figure_that_is_shown_small_leads_to_its_full_size(visit):
    page = visit("docs/ladder.html", "phone")
    (figure,) = page.locator("article img").all()
    assert page.locator("article a:has(img)").get_attribute("href") == figure.evaluate("image => image.src")
