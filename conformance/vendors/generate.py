"""Makes the folders of honest and lying vendors: `python -m conformance.vendors.generate` writes them, with `--check` it compares.

Built with proofs/vectors/maker.py, which knows nothing of any verifier. Nothing is random. Needs `cryptography`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proofs.vectors import maker
from proofs.vectors.cases_receipts import chain, made, put, restore_story, vendor
from proofs.vectors.maker import Key, Object, month, secret

HERE = Path(__file__).resolve().parent
LONG_AGO = 1_600_000_000
CHECKS = {
    1: "parses strictly, within the limits", 2: "contexts shown match their hashes",
    3: "leaves are well placed and counted", 4: "every running total adds up", 5: "the leaves lead to the proof root",
    6: "the head fits the leaves", 7: "the head is in the log", 8: "the log checkpoint is signed by a trusted key",
    9: "the witness policy is met", 10: "months link to the months before", 11: "later states extend earlier ones",
    12: "every sequence number once", 13: "one slot key, one locked root, one log",
}  # fmt: skip


@dataclass
class Story:
    """One folder. Files in the order of the command line; objects become canonical files, text stays as it is."""

    name: str
    did: str
    files: dict[str, Object | str]
    trust: tuple[str, ...]
    result: str
    check: int | None = None
    allow: tuple[str, ...] = ()
    why: str = field(default="")

    @property
    def arguments(self) -> list[str]:
        return [*self.files, "--trust", "trust.txt", *self.allow]

    @property
    def exit(self) -> int:
        return 1 if self.check else 0

    def page(self) -> str:
        verdict = f"`{self.result}`, exit status {self.exit}"
        if self.check:
            verdict += f"; check {self.check} fails ({CHECKS[self.check]})"
        return (
            f"# {self.name.split('/')[-1].replace('-', ' ').capitalize()}\n\n{self.did}\n\n"
            f"```\npython -m pacspace_proofs {' '.join(self.arguments)}\n```\n\n"
            f"Expected: {verdict}.\n\n{self.why}\n"
        )

    def contents(self) -> dict[str, str]:
        expected = {"arguments": self.arguments, "exit": self.exit, "result": self.result, "check": self.check}
        texts = {
            "story.md": self.page(),
            "trust.txt": "".join(line + "\n" for line in self.trust),
            "expected.json": json.dumps(expected, indent=1) + "\n",
        }
        for name, file in self.files.items():
            texts[name] = file if isinstance(file, str) else maker.text(file)
        return {f"{self.name}/{name}": text for name, text in texts.items()}


def lying() -> Iterator[Story]:
    log = vendor("Lying Vendor")
    key = (log.key.line,)
    january, february, march = chain(log)
    parts = [made(log, tree) for tree in (january, february, march)]

    def lie(name: str, check: int, did: str, why: str, files: dict[str, Any], *trust: str) -> Story:
        return Story(f"lying/{name}", did, files, trust or key, "refused", check, why=why)

    other = month(log.origin, ["-4", "11"], period="2026-03", sequence=4, after=february)
    yield lie("two-roots-for-one-slot", 13,
              "The vendor locked March twice: the customer got one receipt, the auditor another with a different amount.",
              "Each file is good alone. The log holds two closed entries for one slot, so the two files together are evidence.",
              {"customer.json": parts[2], "auditor.json": made(log, other)})  # fmt: skip
    kept = month(log.origin, ["-4", "10", "-1"], period="2026-03", sequence=4, lock=False)
    yield lie("omitted-delta", 11,
              "The customer kept a provisional receipt of March with three deltas. The locked month leaves the third one out.",
              "The kept root does not begin the locked tree.", {"kept.json": made(log, kept), "locked.json": parts[2]})  # fmt: skip
    grown = month(log.origin, ["-4", "10", "-1", "-1"], period="2026-03", sequence=4, lock=False)
    yield lie("grown-after-lock", 11, "The vendor locked March, then recorded two more deltas in it.",
              "A locked month never moves.", {"locked.json": parts[2], "later.json": made(log, grown)})  # fmt: skip
    secondary = month(log.origin, ["-9"], period="2026-04", sequence=6, slot_key=secret("second slot key"), lock=False)
    yield lie("second-slot-key", 13,
              "The vendor keeps a second history of the customer under a second slot key, where no closed entry can collide.",
              "A customer has one slot key for life; the two fingerprints are shown.",
              {"march.json": parts[2], "april.json": made(log, secondary)})  # fmt: skip
    log2 = vendor("Hiding Vendor")
    hidden = made(log2, month(log2.origin, ["-1", "-2"]), batch=True)
    hidden.pop("batch")
    yield lie("closed-head-hidden-in-batch", 7,
              "The vendor put a locked month into a batch, where strangers can't see that the slot was closed before.",
              "A closed head is proven only by a closed entry that shows slot and commitment.", {"march.json": hidden}, log2.key.line)  # fmt: skip
    log3 = vendor("Mixing Vendor")
    mixed = month(log3.origin, ["-1", "-2", "-3"], lies={2: {"customerId": "cust_other"}})
    yield lie("another-customers-leaf", 3, "Another customer's delta was put into this customer's month.",
              "Every leaf names its customer.", {"march.json": made(log3, mixed)}, log3.key.line)  # fmt: skip
    one, two = vendor("Forking Vendor"), vendor("Forking Vendor")
    mine = made(one, month(one.origin, ["-1"]))
    theirs = made(two, month(two.origin, ["-2"], customer="cust_other"))
    yield lie("forked-log-checkpoint", 13,
              "The vendor signed two logs of the same size: one for this customer, one for everybody else.",
              "Two customers who compare their receipts see two root hashes for one size.",
              {"mine.json": mine, "theirs.json": theirs}, one.key.line)  # fmt: skip
    elsewhere = vendor("Somebody Else")
    yield lie("receipt-of-another-log", 8, "The receipt is good, but in a log whose key nobody gave the customer.",
              "A signature counts only by a key of the trust file.", {"march.json": made(elsewhere, month(elsewhere.origin, ["-1"]))})  # fmt: skip
    log4 = vendor("Relinking Vendor")
    first = month(log4.origin, ["-1", "-2"], period="2026-01")
    replaced = month(log4.origin, ["-1", "-9"], period="2026-01")
    second = month(log4.origin, ["-3"], period="2026-02", sequence=3, after=replaced)
    yield lie("relinked-months", 10, "February was linked to a January that is not the one on January's invoice.",
              "previousRoot is not the root under which January was locked.",
              {"january.json": made(log4, first), "february.json": made(log4, second)}, log4.key.line)  # fmt: skip
    log5 = vendor("Skipping Vendor")
    first = month(log5.origin, ["-1"], period="2026-01")
    skipped = month(log5.origin, ["-3"], period="2026-02", sequence=2, lock=False)
    third = month(log5.origin, ["-4"], period="2026-03", sequence=3, after=first)
    yield lie("month-left-out-of-the-chain", 10,
              "February had a delta, as a kept provisional receipt shows. March was then linked to January.",
              "Between two links no month has records.",
              {"january.json": made(log5, first), "february-kept.json": made(log5, skipped), "march.json": made(log5, third)}, log5.key.line)  # fmt: skip
    old, new, files = restore_story()
    keys = (old.key.line, new.key.line)
    yield lie("restore-hiding-a-delta", 11,
              "The vendor restored a backup, and left out a delta that the backup's log already held.",
              "The old file lies before restoredFrom.size, so this is no loss: it is a contradiction.",
              {"before.json": files["february old"], "after.json": files["february hidden"]}, *keys)  # fmt: skip
    yield lie("lost-in-restore", 11,
              "The vendor restored a backup that was made before the customer's last delta, and says so.",
              "The old file lies beyond restoredFrom.size: a declared loss (`LOST_IN_RESTORE`), shown with both values, never ok.",
              {"before.json": files["february lost"], "after.json": files["february new"]}, *keys)  # fmt: skip
    yield lie("locked-again-after-restore", 13, "After a restore the vendor locked January again, though the backup held it locked.",
              "Locked months keep their old log and their root.", {"before.json": files["january"], "after.json": files["january again"]}, *keys)  # fmt: skip
    yield lie("changed-amount", 5, "One amount was changed in the file.", "The leaves no longer lead to the proof root.",
              {"march.json": put(parts[2], "leaves/1/leaf/delta", "-5")})  # fmt: skip
    reason = parts[2]["leaves"][1]["context"].replace("storage", "premium")
    yield lie("changed-reason", 2, "The reason of one delta was changed in the file.", "The leaf holds the hash of the context.",
              {"march.json": put(parts[2], "leaves/1/context", reason)})  # fmt: skip
    log6 = vendor("Backdating Vendor")
    backdated = month(log6.origin, ["-1", "-2"], lies={2: {"postedAt": "2026-03-01T00:00:00.000000Z"}})
    yield lie("backdated-post", 3, "A delta that happened on the 3rd was posted to the start of the month.",
              "postedAt is when it happened, or the first instant of the month for what happened before it.",
              {"march.json": made(log6, backdated)}, log6.key.line)  # fmt: skip
    log7 = vendor("Repeating Vendor")
    first = month(log7.origin, ["-1", "-2"], period="2026-01")
    second = month(log7.origin, ["-3"], period="2026-02", sequence=2, after=first)
    yield lie("sequence-used-twice", 12, "One sequence number was given to two deltas, in two months.",
              "Sequence numbers run from 1 without gaps, each for one delta.",
              {"january.json": made(log7, first), "february.json": made(log7, second)}, log7.key.line)  # fmt: skip
    log8 = vendor("Rounding Vendor")
    rounded = month(
        log8.origin, ["-0.1", "-0.2"], lies={-1: {"periodTotal": "-0.300000001", "carriedForward": "-0.300000001"}}
    )
    yield lie("total-off-by-one", 4, "The month's total is one billionth off.", "Sums are exact.", {"march.json": made(log8, rounded)}, log8.key.line)  # fmt: skip
    log9 = vendor("Carrying Vendor")
    first = month(log9.origin, ["-1", "-2"], period="2026-01")
    second = month(
        log9.origin,
        ["-3"],
        period="2026-02",
        sequence=3,
        after=first,
        lies={-1: {"broughtForward": "-2", "carriedForward": "-5"}},
    )
    yield lie("balance-not-carried", 10, "January carried forward -3, February brought forward -2.", "What one month hands on, the next takes over.",
              {"january.json": made(log9, first), "february.json": made(log9, second)}, log9.key.line)  # fmt: skip
    retired = vendor("Rotating Vendor")
    old_key = retired.key
    retired.rotate()
    size = len(retired.entries)
    yield lie("retired-key", 8, "After a rotation the vendor went on signing with the retired key.",
              "The trust file gives the old key a last size.",
              {"march.json": made(retired, month(retired.origin, ["-1"]), key=old_key)}, f"{old_key.line} {size}", retired.key.line)  # fmt: skip
    witness = Key("witness.example/one", secret("witness one"), 4)
    yield lie("unwitnessed", 9, "The customer asks for a witness seen within a year. The only cosignature is from years ago.",
              "Old cosignatures do not count.",
              {"march.json": made(vendor("Lonely Vendor"), month(vendor("Lonely Vendor").origin, ["-1"]), witnesses=[(witness, LONG_AGO)])},
              vendor("Lonely Vendor").key.line, f"witness {witness.line}", "quorum 1 31536000")  # fmt: skip
    log10 = vendor("Relabelling Vendor")
    labelled = made(log10, month(log10.origin, ["-1"]), head={"period": "2026-04"})
    yield lie("head-of-another-month", 6, "March's tree was committed as if it were April's.", "The head names the leaves' own period.",
              {"april.json": labelled}, log10.key.line)  # fmt: skip
    yield lie("pretty-printed", 1, "The file was opened in an editor and saved with line breaks.",
              "Not fraud, but not the file either: it has exactly one spelling.",
              {"march.json": json.dumps(parts[2], indent=1, sort_keys=True, ensure_ascii=False)})  # fmt: skip
    gap = maker.window("2026-01-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z", [parts[0], parts[2]])
    yield lie("window-leaving-a-month-out", 10, "The receipt for the first quarter leaves February out.", "March names February as the month before it.",
              {"quarter.json": gap})  # fmt: skip


def honest() -> Iterator[Story]:
    def tell(
        name: str, result: str, did: str, why: str, files: dict[str, Any], *trust: str, allow: tuple[str, ...] = ()
    ) -> Story:
        return Story(f"honest/{name}", did, files, trust, result, allow=allow, why=why)

    log = vendor("Honest Vendor")
    late_entry = {"recordedAt": "2026-03-03T10:00:00.000000Z", "occurredAt": "2026-02-28T23:00:00.000000Z"}
    third = month(
        log.origin, ["-1", ("-2", late_entry)], period="2026-02", lies={-1: {"closedAt": "2026-03-03T12:00:00.000000Z"}}
    )
    yield tell("closed-on-the-3rd", "locked-full", "February was locked on 3 March; some of its usage was recorded in March.",
               "A month may be locked late: what counts is when usage happened.", {"february.json": made(log, third)}, log.key.line)  # fmt: skip
    crashed = vendor("Crashed Vendor")
    tree = month(crashed.origin, ["-1", "-2"])
    before = made(crashed, tree)
    yield tell("crashed-while-integrating", "locked-full",
               "The vendor's server crashed while integrating and wrote the same closed entry twice.",
               "The two entries are identical, so nothing contradicts.", {"one.json": before, "two.json": made(crashed, tree)}, crashed.key.line)  # fmt: skip
    old, new, files = restore_story()
    yield tell("restored", "provisional-full",
               "January was locked in the old log. February was open when the vendor's disk failed; it was restored into a new log and locked there.",
               "The locked month keeps its old log; the open one goes on leaf by leaf.",
               {"january.json": files["january"], "february-before.json": files["february old"], "february.json": files["february new"]},
               old.key.line, new.key.line, allow=("--allow-provisional",))  # fmt: skip
    rotating = vendor("Rotated Vendor")
    trees = chain(rotating)
    first = made(rotating, trees[0])
    size, old_key = len(rotating.entries), rotating.key.line
    rotating.rotate()
    yield tell("keys-rotated", "locked-full", "The log's key was rotated between January and February.",
               "The old key is trusted up to its last size, the new one after.",
               {"january.json": first, "february.json": made(rotating, trees[1])}, f"{old_key} {size}", rotating.key.line)  # fmt: skip
    late = vendor("Late Vendor")
    first = month(late.origin, ["-1"], period="2026-02")
    posted = {"occurredAt": "2026-02-27T10:00:00.000000Z", "postedAt": "2026-03-01T00:00:00.000000Z"}
    second = month(late.origin, ["-5", ("-7", posted), ("5", {"adjusts": "rec_031"})], sequence=2, after=first)
    yield tell("late-usage", "locked-full", "Usage of 27 February came after February was locked, and one delta corrects another.",
               "Late usage is posted to the first instant of the next open month, and says so.",
               {"february.json": made(late, first), "march.json": made(late, second)}, late.key.line)  # fmt: skip
    erased = vendor("Erasing Vendor")
    yield tell("erased-contexts", "locked-full", "The customer asked for erasure: reasons, references and metadata are gone.",
               "Amounts and totals still add up to the same proof root.",
               {"march.json": made(erased, month(erased.origin, ["-1", "-2"]), withhold=(1, 2))}, erased.key.line)  # fmt: skip
    quiet = vendor("Quiet Vendor")
    first = month(quiet.origin, ["-1"], period="2026-01")
    second = month(quiet.origin, [], period="2026-02", sequence=2, after=first)
    third = month(quiet.origin, ["-2"], period="2026-04", sequence=2, after=second)
    yield tell("quiet-months", "locked-full", "February was locked empty, March had no records and has no tree.",
               "The chain goes from January over February to April, and the sequence numbers show that nothing is missing.",
               {"january.json": made(quiet, first), "february.json": made(quiet, second), "april.json": made(quiet, third)}, quiet.key.line)  # fmt: skip
    kept = vendor("Growing Vendor")
    tree = month(kept.origin, ["-1", "-2", "-3"])
    yield tell("kept-provisional-receipts", "provisional-summary", "The customer took a receipt every week and kept them.",
               "Every kept state is part of the locked month.",
               {"week-1.json": made(kept, tree.first(2)), "week-2.json": made(kept, tree.first(3), "summary"), "locked.json": made(kept, tree)},
               kept.key.line, allow=("--allow-provisional", "--allow-summary"))  # fmt: skip
    seen = vendor("Witnessed Vendor")
    witnesses = [Key(f"witness.example/{name}", secret(f"witness {name}"), 4) for name in ("one", "two", "three")]
    signed = made(seen, month(seen.origin, ["-1"]), witnesses=[(witnesses[0], LONG_AGO), (witnesses[2], LONG_AGO)])
    yield tell("witnessed", "locked-full", "Two of three witnesses cosigned the log checkpoint.", "The trust file asks for two, at any time.",
               {"march.json": signed}, seen.key.line, *(f"witness {one.line}" for one in witnesses), "quorum 2")  # fmt: skip
    quarter = vendor("Quarterly Vendor")
    parts = [made(quarter, tree) for tree in chain(quarter)]
    yield tell("first-quarter", "locked-full", "One file for a window over three months.", "A window is as good as its weakest month.",
               {"quarter.json": maker.window("2026-01-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z", parts)}, quarter.key.line)  # fmt: skip


def all_files() -> dict[str, str]:
    """The text of every file, by path below this folder."""
    stories = [*lying(), *honest()]
    files = {name: text for story in stories for name, text in story.contents().items()}
    rows = "".join(
        f"| [{story.name}]({story.name}/story.md) | {story.did} | `{story.result}`{f', check {story.check}' if story.check else ''} |\n"
        for story in stories
    )
    files["README.md"] = (
        "# Vendors\n\nEach folder is one vendor's story: receipt files, a trust file, and what any verifier has to say about them\n"
        "(`expected.json`: arguments, exit status, result, and a check that fails). Made by `generate.py`.\n\n"
        f"| story | what the vendor did | verdict |\n|---|---|---|\n{rows}"
    )
    return files


def committed_files() -> dict[str, str]:
    paths = [*HERE.glob("*/*/*"), HERE / "README.md"]
    return {path.relative_to(HERE).as_posix(): path.read_text("utf-8") for path in paths if path.is_file()}


def main() -> int:
    files, committed = all_files(), committed_files() if (HERE / "README.md").exists() else {}
    if "--check" in sys.argv:
        different = sorted(name for name in files.keys() | committed.keys() if files.get(name) != committed.get(name))
        print("\n".join(different) or "all as made")
        return 1 if different else 0
    for name in committed.keys() - files.keys():
        (HERE / name).unlink()
    for name, text in files.items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_text(text, "utf-8")
    print(f"{len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
