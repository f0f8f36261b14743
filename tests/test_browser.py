"""JupyterLab in headless Chromium: does a check cell show its card?  Needs Debian's chromium (`make system`)."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSON = "01-kernel-attention"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((program for program in PROGRAMS if shutil.which(program)), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WRONG = "def softmax_similarity(queries, keys):\n    return np.exp(queries @ keys.T)\n"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: run `make system` (Debian's package chromium)"),
    pytest.mark.filterwarnings("ignore"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def jupyter_lab(folder):
    """Run JupyterLab on loopback and yield its address."""
    port = free_port()
    options = [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--ServerApp.token=", "--no-browser"]
    options += [
        "--ServerApp.password=",
        "--expose-app-in-browser",
        f"--ServerApp.root_dir={folder}",
        "--allow-root",
    ]
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home / "config")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api", timeout=2):
                break
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with the released notebook, cut after the first check, answered wrongly and run."""
    from playwright.sync_api import sync_playwright

    folder = tmp_path_factory.mktemp("student") / LESSON
    shutil.copytree(ROOT / "notebooks" / LESSON, folder)
    path = folder / "from_scratch.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    ids = [cell["id"] for cell in notebook["cells"]]
    notebook["cells"] = notebook["cells"][: ids.index("check_softmax_similarity") + 1]
    notebook["cells"][ids.index("softmax_similarity")]["source"] = WRONG
    path.write_text(json.dumps(notebook), "utf-8")
    with jupyter_lab(folder) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which(CHROMIUM), args=QUIET)
        shown = browser.new_page(viewport={"width": 1200, "height": 1600})
        shown.goto(f"{address}/lab/tree/from_scratch.ipynb", timeout=120_000)
        shown.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=120_000)
        shown.wait_for_timeout(3000)
        shown.evaluate("() => window.jupyterapp.commands.execute('runmenu:run-all')")
        shown.wait_for_selector("text=not yet right", timeout=120_000)
        shown.locator("text=not yet right").scroll_into_view_if_needed()
        shown.wait_for_timeout(1000)
        if os.environ.get("SCREENSHOTS"):
            cell = shown.locator(".jp-CodeCell").last
            cell.screenshot(path=Path(os.environ["SCREENSHOTS"]) / "card.png")
        yield shown
        browser.close()


def test_does_the_card_name_the_slip(page):
    assert page.locator("text=not scaled").count() > 0


def test_does_the_card_show_the_three_heat_maps(page):
    pictures = page.locator(".jp-OutputArea-output img[alt*='heat map']")
    assert pictures.count() == 3
    assert all(pictures.nth(i).evaluate("image => image.naturalWidth > 0") for i in range(3))


def test_are_hints_folded(page):
    hints = page.locator(".jp-OutputArea-output details")
    assert hints.count() >= 2
    assert not hints.first.evaluate("details => details.open")


def test_is_the_card_readable_in_the_dark_theme(page):
    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    page.wait_for_timeout(2500)
    page.locator("text=not yet right").scroll_into_view_if_needed()
    if os.environ.get("SCREENSHOTS"):
        page.locator(".jp-CodeCell").last.screenshot(path=Path(os.environ["SCREENSHOTS"]) / "card-dark.png")
    says = page.locator(".jp-OutputArea-output p", has_text="not scaled").first
    text, ground = says.evaluate(
        """node => {
            let ground = 'rgba(0, 0, 0, 0)', at = node;
            while (at && ['rgba(0, 0, 0, 0)', 'transparent'].includes(ground)) {
                ground = getComputedStyle(at).backgroundColor;
                at = at.parentElement;
            }
            return [getComputedStyle(node).color, ground];
        }"""
    )
    assert contrast(text, ground) >= 5


def contrast(first, second):
    def luminance(colour):
        parts = [float(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)
