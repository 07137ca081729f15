"""A report's gallery and pages of images in a real browser, from a disk: what is shown, sorted, filtered, and by keys.

Skipped where chromium, chromedriver or selenium is missing.
"""

import json
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import write_grey, write_indexed
from report.run import html
from report.run.reading import read_scored
from tests.report.runs import put, record, score

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
if not (CHROMIUM and CHROMEDRIVER):
    pytest.skip("no chromium or no chromedriver", allow_module_level=True)
webdriver = pytest.importorskip("selenium.webdriver")
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait

CLASSES = ["disc", "</script><script>document.title = 'broken'</script>", 'it\'s "quoted" & <b>bold</b>']
IMAGES = {
    f"image_{place}": classes for place, classes in enumerate([(0,), (1,), (2,), (0, 1), (0, 2), (0, 1, 2), (1,)])
}
SIZE = (60, 80)  # height, width


def make_data(root):
    """A data set of a few images, in each a block for each of its classes; lists train and val."""
    for folder in ("JPEGImages", "SegmentationClass", "saliency", "lists"):
        (root / folder).mkdir(parents=True)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    rng = np.random.default_rng(0)
    for id, classes in IMAGES.items():
        label = np.zeros(SIZE, np.uint8)
        for cls in classes:
            label[10:50, 5 + 25 * cls : 25 + 25 * cls] = cls + 1
        photograph = rng.integers(60, 120, (*SIZE, 3), dtype=np.uint8) + 40 * label[..., None]
        Image.fromarray(photograph).save(root / "JPEGImages" / f"{id}.jpg")
        write_indexed(root / "SegmentationClass" / f"{id}.png", label)
        write_grey(root / "saliency" / f"{id}.png", np.uint8(200 * (label > 0)))
    lines = [" ".join([id, *map(str, classes)]) + "\n" for id, classes in IMAGES.items()]
    (root / "lists/train.txt").write_text("".join(lines))
    (root / "lists/val.txt").write_text("".join(lines[:2]))


def make_run(run, data):
    """A run of three stages: CAMs, labels that lack more of the objects from image to image, and predictions."""
    dataset, rng = DataSet(data), np.random.default_rng(1)
    for folder in ("cam", "label_initial", "pred1", "pred1_val"):
        (run / folder).mkdir(parents=True)
    for place, (id, classes) in enumerate(IMAGES.items()):
        truth = dataset.ground_truth(id)
        for cls in classes:
            write_grey(run / "cam" / f"{id}_{cls}.png", np.uint8(200 * (truth[::10, ::10] == cls + 1)))
        cut, other = truth.copy(), truth.copy()
        cut[10 : 14 + 5 * place] = 0
        other[: int(rng.integers(12, 45))] = 0
        write_indexed(run / "label_initial" / f"{id}.png", cut)
        for folder in ("pred1", "pred1_val"):
            write_indexed(run / folder / f"{id}.png", other)
    cut = {"cam": ["--map-thresholds", "0.5"]}
    for folder, split in (("cam", "train"), ("label_initial", "train"), ("pred1", "train"), ("pred1_val", "val")):
        arguments = {"data": str(data), "split": split}
        put(run / folder / "stage.json", record("seg.predict", arguments=arguments))
        score(run, data, folder, split, *cut.get(folder, []))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder of the report of a small run, and the scores of its images: {folder: {id: line}}."""
    root = tmp_path_factory.mktemp("browser run")  # a blank in the path, which an address has to quote
    make_data(root / "data")
    make_run(root / "run", root / "data")
    html.main(html.parser().parse_args(["--run", str(root / "run"), "--out", str(root / "report")]))
    scored = read_scored(root / "run")
    return root / "report", {each.folder: {line["id"]: line for line in each.images} for each in scored}


@pytest.fixture(scope="module")
def driver():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    driver.set_page_load_timeout(3600)
    driver.set_script_timeout(3600)
    yield driver
    driver.quit()


class Browser:
    """The actions of the tests in the browser."""

    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder

    def open(self, page):
        self.driver.get("about:blank")  # an address that differs behind the # alone would load nothing
        self.driver.get(self.folder.as_uri() + "/" + page)
        loaded = "return location.href != 'about:blank' && document.readyState === 'complete'"
        WebDriverWait(self.driver, 3600, 0.02).until(lambda _: self.do(loaded))  # a slow machine may return before

    def do(self, script, *args):
        return self.driver.execute_script(script, *args)

    def set(self, name, value):
        """Choose in a control of the gallery as a person does."""
        script = "const c = document.forms[0].elements[arguments[0]]; c.value = arguments[1];"
        script += "c.dispatchEvent(new Event('input', {bubbles: true})); return c.value"
        assert self.do(script, name, value) == value

    def ids(self):
        return self.do("return [...document.querySelectorAll('#thumbnails li')].map((e) => e.dataset.id)")

    def text(self, selector):
        return self.do("return document.querySelector(arguments[0]).innerText", selector)

    def press(self, key, selector="body"):
        self.driver.find_element("css selector", selector).send_keys(key)

    def style(self, selector, name):
        return self.do("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name)

    def check(self):
        """That since the last call no page complained or asked for anything but files of the report, of which there
        are as many as it returns."""
        assert self.driver.get_log("browser") == []
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        files = [urlsplit(address) for address in sent if address != "about:blank" and not address.startswith("data:")]
        for parts in files:
            path = Path(unquote(parts.path))
            assert parts.scheme == "file" and path.is_relative_to(self.folder) and path.is_file(), parts
        return len(files)


@pytest.fixture
def browser(driver, report):
    """A browser that checks at the end what the pages did."""
    driver.set_window_size(1280, 1000)
    driver.get_log("browser"), driver.get_log("performance")
    browser = Browser(driver, report[0])
    yield browser
    browser.check()


def mean(report, folder):
    return {id: line["mean_iou"] for id, line in report[1][folder].items()}


def by(values, reverse=False):
    return sorted(IMAGES, key=values.get, reverse=reverse)


def test_every_page_opens_and_its_pictures_load(browser):
    pages = ["index.html", "gallery.html#split=train", "images/val/image_0.html"]
    pages += [f"images/train/{id}.html" for id in IMAGES]
    script = "return [...document.images].filter((i) => !(i.complete && i.naturalWidth)).map((i) => i.src)"
    for page in pages:
        browser.open(page)
        hanging = time.monotonic() + 3600
        while browser.do(script) and time.monotonic() < hanging:  # a lazy picture loads once it is seen
            time.sleep(0.05)
        assert browser.do(script) == [] and browser.driver.title != "broken", page
        assert browser.do("return document.images.length") > 8 or page == "index.html"
        assert browser.check() >= (2 if page == "index.html" else 10)


def test_sorting_follows_the_scores(browser, report):
    browser.open("gallery.html")
    assert browser.ids() == by(mean(report, "pred1_val") | dict.fromkeys(list(IMAGES)[2:], 101.0))[:2]
    browser.open("gallery.html#split=train&sort=high")
    last, before = mean(report, "pred1"), mean(report, "label_initial")
    gains = {id: last[id] - before[id] for id in IMAGES}
    assert len(set(last.values())) > 3 and min(gains.values()) < 0 < max(gains.values())
    assert browser.ids() == by(last, reverse=True)
    for order, expected in (("low", by(last)), ("gain", by(gains, True)), ("loss", by(gains)), ("list", list(IMAGES))):
        browser.set("sort", order)
        assert browser.ids() == expected, order
    browser.set("sort", "low")
    browser.set("stage", "label_initial")
    assert browser.ids() == by(before)
    browser.set("sort", "gain")
    browser.set("with", "cam")
    assert browser.ids() == by({id: before[id] - mean(report, "cam")[id] for id in IMAGES}, True)
    shown = browser.text("#thumbnails li:first-child .score")
    first = browser.ids()[0]
    assert shown.split() == [
        f"{before[first]:.1f}",
        f"{before[first] - mean(report, 'cam')[first]:+.1f}".replace("-", "−"),
    ]


def test_images_of_a_class(browser):
    browser.open("gallery.html#split=train&sort=list")
    for cls, name in enumerate(CLASSES):
        browser.set("class", name)
        found = [id for id, classes in IMAGES.items() if cls in classes]
        assert browser.ids() == found and browser.text("#count") == f"{len(found)} of {len(IMAGES)} images"
    assert browser.text("#thumbnails li:first-child .classes") == CLASSES[2]


def test_a_link_keeps_what_was_chosen(browser):
    browser.open("gallery.html#split=train")
    browser.set("sort", "loss")
    browser.set("class", CLASSES[1])
    browser.set("over", "ground_truth")
    found, hash = browser.ids(), browser.do("return location.hash")
    browser.open("gallery.html" + hash)
    assert browser.ids() == found and browser.do("return document.forms[0].elements.sort.value") == "loss"
    source = "return document.querySelector('#thumbnails .layer').src"
    assert "ground_truth" in browser.do(source)
    browser.set("over", "none")
    assert browser.do("return document.querySelector('#thumbnails .layer')") is None
    browser.open("gallery.html#split=nonsense&stage=%00&with=&sort=up&class=cow&over=x&view=9:9&opacity=-3")
    assert len(browser.ids()) == 2  # the last split


def test_an_images_page_shows_the_chosen_layer_as_opaque_as_asked(browser):
    browser.open("images/train/image_5.html")
    assert "pred1" in browser.do("return overlay.src") and browser.style("#overlay", "opacity") == "0.7"
    browser.do("slider.value = 35; slider.dispatchEvent(new Event('input'))")
    assert browser.style("#overlay", "opacity") == "0.35" and browser.text("#percent") == "35 %"
    browser.driver.find_element("id", "toggle").click()
    assert browser.style("#overlay", "display") == "none" and browser.do("return toggle.ariaPressed") == "false"
    browser.press("o")
    assert browser.style("#overlay", "display") != "none" and browser.do("return toggle.ariaPressed") == "true"
    browser.press("1")
    assert "ground_truth" in browser.do("return overlay.src")
    browser.press("4")
    assert browser.do("return overlay.src").endswith("image_5_1.png") and CLASSES[1] in browser.do("return overlay.alt")
    browser.press("o")
    assert browser.style("#overlay", "display") == "none"
    browser.do("radios.at(-1).click()")
    assert "pred1" in browser.do("return overlay.src") and browser.style("#overlay", "display") != "none"


def test_keys_lead_through_the_gallerys_order(browser, report):
    browser.open("gallery.html#split=train&sort=low&class=disc")
    order = browser.ids()
    browser.driver.find_element("css selector", "#thumbnails a").click()
    here = "return location.pathname.split('/').pop().replace('.html', '')"
    assert browser.do(here) == order[0] and browser.text("#place") == f"1 of {len(order)}"
    browser.press("3")  # the layer and the order are kept
    browser.press("\ue014")  # the arrow to the right
    assert browser.do(here) == order[1] and browser.do("return overlay.src").endswith(f"{order[1]}_0.png")
    browser.press("\ue012")
    browser.press("\ue012")  # from the first to the last
    assert browser.do(here) == order[-1]
    browser.do("slider.focus()")
    browser.press("\ue012", "#opacity")  # in the slider an arrow moves the slider
    assert browser.do(here) == order[-1] and browser.text("#percent") == "69 %"
    browser.press("g")
    assert "gallery.html" in browser.do("return location.pathname") and browser.ids() == order
