"""`make screenshots`: the pictures of docs/dashboard.md, each page at 1280 pixels in light and at 390 in dark.

Chromium draws them, Pillow makes them small: 256 colours are more than these pages have.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from .chromium import Person, chromium, why_not
from .places import Place, pictures, visitors
from .stage import set_up

FOLDER = Path("docs/images/pages")
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
TALLEST_PX = 1700
COLOURS = 128


def main() -> None:
    if why := why_not():
        sys.exit(why)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, set_up(Path(folder)) as stage, chromium() as browser:
        people = visitors(browser, stage)
        for place in pictures(stage):
            take(people[place.visitor], place)
    print(f"{sum(file.stat().st_size for file in FOLDER.glob('*.png')) / 1e6:.2f} MB in {FOLDER}")


def take(person: Person, place: Place) -> None:
    page = person.page
    for scheme, viewport, ending in (("light", DESK, "desk"), ("dark", PHONE, "phone")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        person.open(place.path)
        if place.then:
            place.then(page)
        save(page, FOLDER / f"{place.name}-{ending}.png")


def save(page: Page, file: Path) -> None:
    """The page from its top, as far down as a reader of the documentation wants to scroll."""
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST_PX)
    clip = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip, animations="disabled"))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
