"""The site that ``make site`` has built, in a real browser: all is there, and nothing leaves the machine."""

import re
import tarfile
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import pooch
import pytest

from nnlabs import doctor
from tools import site

playwright = pytest.importorskip("playwright.sync_api", reason="the site's tests need Playwright")
CHROMIUM = doctor.chromium()
if CHROMIUM is None:
    pytest.skip("the site's tests need a Chromium", allow_module_level=True)
if not (site.SITE / "index.html").is_file():
    pytest.skip("there is no site yet: make site", allow_module_level=True)

NAMES = sorted(path.relative_to(site.SITE).as_posix() for path in site.SITE.rglob("*.html"))
PAGES = [name for name in NAMES if not name.startswith("_")]
LOOKED_AT = ["index.html", "notebooks/01_neurons.html", "labs/01_neurons.html", "glossary.html"]
AXE = "https://registry.npmjs.org/axe-core/-/axe-core-4.10.3.tgz"
AXE_SHA256 = "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site.SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """A page without a network but for the site, which notes what it asks for and complains of."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.complaints = []
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))

    def answer(route):
        if route.request.url.startswith((address, "data:")):
            route.continue_()
        else:
            page.complaints.append(f"asks for {route.request.url}")
            route.abort()

    page.route("**/*", answer)
    yield page
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_set_and_nothing_is_asked_for_or_complained_of(page, address, name):
    page.goto(f"{address}/{name}")
    formulas = page.locator(".math").count()
    if formulas:
        page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        page.evaluate("MathJax.startup.promise")
        assert page.locator(".math:not(:has(mjx-container))").count() == 0
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    images = page.locator("img").evaluate_all("all => all.filter(i => !i.alt || !i.naturalWidth).length")
    assert (images, page.complaints) == (0, [])


class Links(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]


def test_every_internal_link_leads_somewhere():
    found = {name: Links(site.SITE / name) for name in PAGES}
    dead = []
    for name, page in found.items():
        for link in page.links:
            parts = urlparse(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site.SITE / name).parent / unquote(parts.path) if parts.path else site.SITE / name
            target = target / "index.html" if target.is_dir() else target
            inside = target.resolve().relative_to(site.SITE.resolve()).as_posix() if target.exists() else None
            if inside is None or (
                parts.fragment and inside in found and unquote(parts.fragment) not in found[inside].ids
            ):
                dead.append(f"{name}: {link}")
    assert dead == []


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_axe_finds_no_serious_fault(page, address, name, mode):
    path = pooch.retrieve(AXE, AXE_SHA256, "axe.tgz", site.SITE.parent / "vendor")
    with tarfile.open(path) as archive:
        axe = archive.extractfile("package/axe.min.js").read().decode()
    page.goto(f"{address}/{name}")
    page.add_style_tag(content="* { transition: none !important }")  # axe would meet colours on their way
    page.evaluate(
        f"document.documentElement.dataset.theme = document.documentElement.dataset.mode = '{mode}'"
    )
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    told = [f"{node['html'][:120]}: {node['failureSummary']}" for fault in serious for node in fault["nodes"]]
    assert told == []


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_phone_need_not_scroll_sideways(page, address, name):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}/{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_search_finds_a_word_without_a_network(page, address):
    page.goto(f"{address}/search.html?q=dropout")
    page.locator("#search-results li a", has_text=re.compile("SGD|dropout", re.IGNORECASE)).first.wait_for()
    assert page.complaints == []


@pytest.mark.skipif(site.is_published(), reason="there is a repository")
@pytest.mark.parametrize("name", PAGES)
def test_the_placeholder_is_no_link(name):
    here = Links(site.SITE / name).links
    assert [link for link in here if "nnlabs-course" in link or "mybinder" in link] == []
