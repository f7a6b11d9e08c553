"""How somebody uses a page: with a mouse, with a finger, or with nothing but a keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import FileChooser, Locator, Page

MOST_TABS = 150
Role = Literal["button", "link"]
# Something that has the keyboard must be seen to have it.
IS_HERE = """element => {
  if (element !== document.activeElement) return false;
  const style = getComputedStyle(element);
  if (!element.matches(':focus-visible') || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2)
    throw new Error('no visible focus: ' + element.outerHTML.slice(0, 200));
  return true;
}"""


class Mouse:
    """Points and clicks; text is typed."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, there: Locator) -> None:
        there.click()

    def press(self, there: Locator) -> None:
        there.click()

    def type(self, label: str, text: str, within: str = "main") -> None:
        fields = self.page.locator("input, textarea")
        self.reach(self.page.locator(within).get_by_label(label).and_(fields))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def button(self, name: str, within: str = "main") -> None:
        self.press(self._named("button", name, within))

    def follow(self, name: str, within: str = "main") -> None:
        self.press(self._named("link", name, within))

    def unfold(self, name: str) -> None:
        self.press(self.page.locator("summary", has_text=name))

    def choose(self, label: str, text: str) -> None:
        """One of a list's values."""
        self.page.get_by_role("combobox", name=label, exact=True).select_option(label=text)

    def file(self, label: str, path: Path) -> None:
        with self.page.expect_file_chooser() as opened:
            self.press(self.page.get_by_label(label))
        chooser: FileChooser = opened.value
        chooser.set_files(path)

    def _named(self, role: Role, name: str, within: str) -> Locator:
        return self.page.locator(within).get_by_role(role, name=name, exact=True)


class Finger(Mouse):
    """Taps; the page must not need a pointer that hovers."""

    def reach(self, there: Locator) -> None:
        there.tap()

    def press(self, there: Locator) -> None:
        there.tap()


class Keys(Mouse):
    """Tab, Enter, Space and typing, and no pointer at all."""

    def reach(self, there: Locator) -> None:
        """Tabs on until the element has the keyboard; what can't be reached that way fails."""
        there.wait_for()
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if there.evaluate(IS_HERE):
                return
        raise AssertionError(f"the keyboard does not reach {there}")

    def press(self, there: Locator) -> None:
        self.reach(there)
        self.page.keyboard.press("Enter")

    def choose(self, label: str, text: str) -> None:
        self.reach(self.page.get_by_role("combobox", name=label, exact=True))
        self.page.keyboard.type(text)

    def file(self, label: str, path: Path) -> None:
        self.reach(self.page.get_by_label(label))
        with self.page.expect_file_chooser() as opened:
            self.page.keyboard.press("Space")
        opened.value.set_files(path)


HANDS: dict[str, Any] = {"mouse": Mouse, "keyboard": Keys, "finger": Finger}
