"""Every page as somebody may meet it: dark or light, on a desk or on a phone, with whatever helps them to read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page

from .chromium import NARROW, PHONE, WIDE, Person
from .places import Place, places, visitors
from .stage import Stage, set_up

pytestmark = pytest.mark.browser
AXE = Path(__file__).with_name("axe") / "axe.min.js"
LOOKS = [("light", WIDE), ("light", PHONE), ("dark", PHONE), ("dark", WIDE)]
RUN = """axe.run(document, {resultTypes: ['violations'], preload: false}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + node.failureSummary).join('; ')))"""
TOO_WIDE = """document.documentElement.scrollWidth - document.documentElement.clientWidth"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with set_up(tmp_path_factory.mktemp("stage")) as there:
        yield there


def test_every_page_can_be_read_by_everybody(browser: Browser, stage: Stage) -> None:
    """On no page axe finds anything serious, dark or light, at 1280 or 390 pixels; nothing goes sideways at 360; no page logs an
    error, breaks its own content policy or asks another host."""
    people, wrong = visitors(browser, stage), dict[str, Any]()
    for place in places(stage):
        person = people[place.visitor]
        if found := look_at(person, place):
            wrong[place.name] = found
    for person in people.values():
        person.context.close()
    assert not wrong, "\n".join(f"{name}: {line}" for name, lines in wrong.items() for line in lines)


def look_at(person: Person, place: Place) -> list[str]:
    """What is wrong with a page."""
    person.page.emulate_media(color_scheme="light")
    person.page.set_viewport_size(WIDE)
    answer = person.page.goto(person.url + place.path)
    assert answer is not None
    found = [f"status {answer.status}"] if answer.status != place.status else []
    if place.then:
        place.then(person.page)
    found += [*person.mistakes, *sideways(person.page)]
    person.mistakes.clear()
    devtools = person.context.new_cdp_session(person.page)
    run(devtools, AXE.read_text("utf-8"))
    for scheme, viewport in LOOKS:
        person.page.set_viewport_size(viewport)
        person.page.emulate_media(color_scheme=scheme)
        found += [f"{scheme} {viewport['width']}: {one}" for one in run(devtools, RUN)]
    devtools.detach()
    return found


def sideways(page: Page) -> list[str]:
    page.set_viewport_size(NARROW)
    over = page.evaluate(TOO_WIDE)
    return [f"{over} pixels wider than {NARROW['width']}"] if over > 0 else []


def run(devtools: CDPSession, script: str) -> Any:
    """What a script answers that the page's content policy has no say in."""
    told = devtools.send("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True})
    assert "exceptionDetails" not in told, told["exceptionDetails"]
    return told["result"].get("value")
