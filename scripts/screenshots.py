#!/usr/bin/env python3
"""Pictures of every page of the dashboard, to look at: in light and dark, at 1400 and 390 pixels, in every language.

The pages are those of every_page.py, over data that it makes. Needs Debian's Chromium. Each picture is of the whole
page, `FOLDER/<language>/<theme>-<width>/<page>.png`; `FOLDER/index.html` has them side by side.
"""

from __future__ import annotations

import argparse
import html
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import every_page
from playwright.sync_api import Browser, Page, sync_playwright
from tqdm import tqdm

from switchman.webui.languages.choice import COOKIE, LANGUAGES

CHROMIUM = "/usr/bin/chromium"
THEMES = ("light", "dark")
WIDTHS = {1400: 900, 390: 844}  # pixels, and the height of the window
PATIENCE = 60_000  # milliseconds
INDEX = """\
<!doctype html><meta charset="utf-8"><title>Every page</title>
<style>body {{ font: 14px system-ui; margin: 16px; background: #888; }} section {{ margin-bottom: 32px; }}
div {{ display: flex; gap: 16px; align-items: start; overflow-x: auto; }} figure {{ margin: 0; }}
img {{ height: 480px; object-fit: cover; object-position: top; }}</style>
{sections}
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="pages whose name has this")
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="all of them, unless it is given")
    parser.add_argument("--theme", choices=THEMES, action="append")
    parser.add_argument("--width", choices=WIDTHS, type=int, action="append")
    args = parser.parse_args(argv)
    if not Path(CHROMIUM).exists():
        print(f"{CHROMIUM} is not there: apt-get install chromium", file=sys.stderr)
        return 1
    kinds = list(product(args.language or LANGUAGES, args.theme or THEMES, args.width or WIDTHS))
    with (
        tempfile.TemporaryDirectory() as folder,
        every_page.filled_dashboard(Path(folder)) as (url, every),
        sync_playwright() as playwright,
    ):
        sights = [sight for sight in every if args.only in sight.name]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with tqdm(total=len(kinds) * len(sights), unit=" pictures", disable=None) as bar:
            for kind in kinds:
                for sight, page in pages_of(browser, url, sights, *kind):
                    place = args.folder / picture(sight.name, *kind)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=place, full_page=True, animations="disabled")
                    bar.update()
        browser.close()
    args.folder.joinpath("index.html").write_text(index([sight.name for sight in sights], kinds), encoding="utf-8")
    print(args.folder / "index.html")
    return 0


def picture(name: str, language: str, theme: str, width: int) -> str:
    return f"{language}/{theme}-{width}/{name}.png"


def pages_of(
    browser: Browser, url: str, sights: Sequence[every_page.Sight], language: str, theme: str, width: int
) -> Iterator[tuple[every_page.Sight, Page]]:
    """Each page, when its charts are drawn."""
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{"name": COOKIE, "value": language, "url": url}])
    page = context.new_page()
    for sight in sights:
        page.goto(url + sight.address)
        page.wait_for_selector(".chart.waiting", state="detached")
        yield sight, page
    context.close()


def index(names: Sequence[str], kinds: Sequence[tuple[str, str, int]]) -> str:
    """The pictures of a page in a row, each a link to itself."""
    sections = []
    for name in names:
        shown = "".join(
            f"<figure><figcaption>{html.escape(' '.join(map(str, kind)))}</figcaption>"
            f'<a href="{picture(name, *kind)}"><img loading="lazy" src="{picture(name, *kind)}" alt=""></a></figure>'
            for kind in kinds
        )
        sections.append(f"<section><h2>{html.escape(name)}</h2><div>{shown}</div></section>")
    return INDEX.format(sections="\n".join(sections))


if __name__ == "__main__":
    sys.exit(main())
