"""`python -m pacspace_proofs RECEIPT.json...`: verifies receipts without other packages."""

from __future__ import annotations

import argparse
import io
import sys

from .command import (
    EXIT_NOT_DONE,
    EXIT_WRONG_USE,
    NotDone,
    WrongUse,
    as_json,
    as_text,
    printable,
    run,
)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 verified, 1 not verified, 2 wrong use, 3 could not be done."""
    parser = argparse.ArgumentParser(
        prog="python -m pacspace_proofs",
        description="Recomputes receipts and reports what each proves. Needs neither network nor account.",
        epilog="exit status: 0 verified, 1 not verified, 2 wrong use, 3 could not be done",
    )
    parser.add_argument("receipts", nargs="+", metavar="RECEIPT.json")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--key", action="append", default=[], metavar="VERIFIER_KEY", help="the log's key; repeatable")
    source.add_argument("--trust", metavar="FILE", help="a trust file: log keys, customers' fingerprints, witnesses")
    parser.add_argument("--allow-provisional", action="store_true", help="accept a month that is not locked yet")
    parser.add_argument("--allow-summary", action="store_true", help="accept a total that is shown without its deltas")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args(arguments)
    try:
        report, code = run(given.receipts, given.key, given.trust, given.allow_provisional, given.allow_summary)
    except WrongUse as error:
        print(f"wrong use: {printable(str(error))}", file=sys.stderr)
        return EXIT_WRONG_USE
    except NotDone as error:
        print(f"not done: {printable(str(error))}", file=sys.stderr)
        return EXIT_NOT_DONE
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a console may lack characters of a reason
    print((as_json if given.json else as_text)(given.receipts, report, code))
    return code


if __name__ == "__main__":
    sys.exit(main())
