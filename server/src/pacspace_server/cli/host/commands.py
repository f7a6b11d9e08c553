"""The operator's commands. Each imports its own module when it is called."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ... import config as settings
from ... import exit_status
from ...domain.enumerations import KeyEnvironment
from ...domain.instants import parse_instant
from ..command import Command, examples
from ..options import DATABASE, ENVIRONMENTS, SIGNER, WORKSPACE
from ..output import Output, table


@click.command(
    cls=Command, epilog=examples("pacspace serve", "pacspace serve --port 0 --sandbox-clock 2026-02-01T00:00:00Z")
)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen on; 0 picks a free one.  [default: 8787]")
@DATABASE
@SIGNER
@click.option("--public-url", help="This server's URL for customers.")
@click.option("--webhook-targets", help="public, or any: also http and private addresses.  [default: public]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Server processes; one on SQLite.")
@click.option("--migrate", is_flag=True, help="First migrate the PostgreSQL schema; connects as the database's owner.")
@click.option("--sandbox-clock", metavar="INSTANT", help="Hold the sandbox's clock at an instant.")
@click.pass_obj
def serve(out: Output, /, workers: int, migrate: bool, sandbox_clock: str | None, **flags: str | None) -> None:
    """Start the server: API, pages and the log. Creates a SQLite file on the first start."""
    from ...process import serving
    from .serve import tell

    clock = parse_instant(sandbox_clock) if sandbox_clock is not None else None
    values = settings.load(flags)
    sys.exit(serving.serve(values, clock, workers, migrate, lambda started: tell(out, started, values["database"])))


@click.command(
    cls=Command, epilog=examples("pacspace migrate --database postgresql://owner@db.example/pacspace --role pacspace")
)
@DATABASE
@click.option("--role", metavar="NAME", help="The role of `serve`; it gets only the rights it needs.")
@click.pass_obj
def migrate(out: Output, /, role: str | None, database: str | None) -> None:
    """Create a PostgreSQL record, or migrate its schema. Connects as the owner of the database.

    With --role, that role can read everything and add to the record, but can't change or delete what is in it.
    """
    from ...process.engines import migrate_postgres

    where = settings.database(settings.load({"database": database})["database"])
    if where.path is not None:
        out.fail(
            "migrate is for PostgreSQL: a SQLite file is migrated when it is opened",
            exit_status.WRONG_USE,
        )
    added = migrate_postgres(where, role)
    what = f"applied {', '.join(added)}" if added else "the schema is up to date"
    out.show(
        {"database": str(where), "applied": added, "role": role}, what + (f"; {role} has its rights" if role else "")
    )


@click.command(cls=Command, epilog=examples("pacspace demo --keep"))
@click.option("--keep", is_flag=True, help="Leave the server running and print the links.")
@click.pass_obj
def demo(out: Output, keep: bool) -> None:
    """Run two months of billing on a real server in a temporary folder: deltas, invoices, receipts, tampering."""
    from ..demo import run_demo

    sys.exit(run_demo(out, keep))


@click.command(cls=Command, epilog=examples("pacspace fsck --database sqlite:///./pacspace.db"))
@DATABASE
@SIGNER
@click.pass_obj
def fsck(out: Output, /, **flags: str | None) -> None:
    """Recompute everything from the stored rows: hashes, trees, totals, sequences, heads, the log, signatures.

    Safe to run beside a running server. Exit status: 0 clean, 1 differences found, 2 wrong use, 3 could not be done.
    """
    from .fsck import run_fsck

    sys.exit(run_fsck(out, settings.load(flags)))


@click.command(cls=Command, epilog=examples("pacspace backup pacspace-2026-02-28.backup"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace an existing file.")
@DATABASE
@SIGNER
@click.pass_obj
def backup(out: Output, /, file: Path, force: bool, **flags: str | None) -> None:
    """Back up the record in one consistent state, beside a running server. FILE appears only when it is complete.

    It holds everything in the database but not the signing keys: keep a copy of their folder, separate from the backup.
    """
    from .backup import run_backup

    run_backup(out, settings.load(flags), file, force)


@click.command(
    cls=Command, epilog=examples("pacspace restore pacspace-2026-02-28.backup --database sqlite:///./restored.db")
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Move an existing SQLite file aside.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--role", metavar="NAME", help="PostgreSQL: the role of `serve`; it gets the rights it needs.")
@DATABASE
@SIGNER
@click.pass_obj
def restore(out: Output, /, file: Path, replace: bool, yes: bool, role: str | None, **flags: str | None) -> None:
    """Check a backup, restore it, and say whether the server will sign.

    Moves an existing SQLite record aside and never deletes it. A PostgreSQL database must hold no record; connects as
    its owner. The server does not sign a log that is behind its last signature; `pacspace new-log` then continues the
    record.

    Exit status: 0 restored, 1 restored but the server will not sign, 2 wrong use, 3 could not be done.
    """
    from .backup import run_restore

    sys.exit(run_restore(out, settings.load(flags), file, replace, yes, role))


@click.command("new-log", cls=Command, epilog=examples("pacspace new-log --database sqlite:///./pacspace.db"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), help="Only the sandbox, or only production.")
@click.option(
    "--lost-signing-folder",
    is_flag=True,
    help="The signing folder is lost, or was restored from a copy: freeze every log.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@DATABASE
@SIGNER
@click.pass_obj
def new_log(
    out: Output, /, side: KeyEnvironment | None, lost_signing_folder: bool, yes: bool, **flags: str | None
) -> None:
    """Continue a restored record in a new log with a new key, and freeze the old log.

    Locked months that the backup had published stay in the old log with their proof roots. Every other month continues
    in the new log, with the same deltas. Stop the server first; on PostgreSQL connect as the owner of the database.

    A copy of the signing folder doesn't know what was signed after it was made, so it can't show that a log must be
    frozen. If you restored the folder from a copy, use --lost-signing-folder.
    """
    from .new_log import run_new_log

    only = ENVIRONMENTS[side] if side else None
    sys.exit(run_new_log(out, settings.load(flags), only, lost_signing_folder, yes))


@click.command(cls=Command, epilog=examples("pacspace trust --env live > trust.txt"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), required=True, help="Sandbox or production.")
@WORKSPACE
@DATABASE
@click.pass_obj
def trust(out: Output, /, side: KeyEnvironment, workspace: str | None, database: str | None) -> None:
    """Print a trust file with the key of the record's log, and of earlier logs if the record was restored.

    The server has the same file at /log/{name}/trust. Give it to your customers through a separate channel, for example
    with the contract.
    """
    from .new_log import run_trust

    run_trust(out, settings.load({"database": database}), workspace, ENVIRONMENTS[side])


@click.command(
    cls=Command,
    epilog=examples("pacspace erase cust_acme --env live", "pacspace erase cust_acme --before 2025-01 --yes"),
)
@click.argument("customer")
@click.option(
    "--env",
    "side",
    type=click.Choice(list(ENVIRONMENTS)),
    default="test",
    show_default=True,
    help="Sandbox or production.",
)
@click.option("--before", metavar="PERIOD", help="Only months before this one, such as 2026-02.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@WORKSPACE
@DATABASE
@click.pass_obj
def erase(
    out: Output,
    customer: str,
    side: KeyEnvironment,
    before: str | None,
    yes: bool,
    workspace: str | None,
    database: str | None,
) -> None:
    """Erase a customer's reasons, references and metadata permanently. Proofs stay.

    Removes contexts and their salts and, without --before, the display name, the texts of remarks and the visits. Every
    proof root and receipt verifies as before, a retry of an erased delta still replays, and replies say dataPurged.
    Safe to run beside a running server.
    """
    from .erase import run_erase

    values = settings.load({"database": database})
    run_erase(out, values, workspace, ENVIRONMENTS[side], customer, before, yes)


@click.command("config", cls=Command, epilog=examples("pacspace config"))
@click.pass_obj
def show_config(out: Output) -> None:
    """Show each setting with its value and its source."""
    values = settings.load({})
    rows = []
    for setting in settings.SETTINGS:
        value = values[setting.name]
        shown = "(set)" if setting.secret and value.text else settings.without_password(value.text)
        rows.append({"name": setting.name, "value": shown, "source": value.source, "help": setting.help})
    lines = [[row["name"], row["value"] or "(empty)", row["source"], row["help"]] for row in rows]
    out.show(rows, table(["setting", "value", "from", "meaning"], lines))
