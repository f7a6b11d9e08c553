"""The command's commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pacspace_proofs import command as verify_command

from .. import config as settings
from .. import exit_status
from ..domain.instants import instant_text, parse_instant
from . import completion
from .command import Main, examples
from .host import users, workspaces
from .options import DATABASE, SIGNER, WORKSPACE, pick_workspace
from .output import Output, table
from .vendor import clock, closing, exporting, importing, reading, receipts, recording, webhooks

ENVIRONMENTS = {"test": "sandbox", "live": "production"}


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.version_option(package_name="pacspace-server", prog_name="pacspace")
@click.pass_context
def main(ctx: click.Context, as_json: bool) -> None:
    """Record usage that both sides of a bill can check.

    Start with `pacspace demo` (a whole billing cycle, in seconds) or `pacspace serve`.

    serve, migrate, workspace, admin, keys, fsck, backup, restore, new-log, trust, erase, clock and demo are for whoever hosts the record; emit, import, derive, compare, checkpoint,
    close-month, receipt, customers, customer, export and webhooks speak to a server; verify needs neither.

    Settings come from flags, then PACSPACE_* environment variables, then pacspace.toml, then defaults; see
    `pacspace config`. Exit status: 0 fine, 1 the answer is no, 2 wrong use, 3 could not be done.
    """
    ctx.obj = Output(as_json)


@main.command(epilog=examples("pacspace serve", "pacspace serve --port 0 --sandbox-clock 2026-02-01T00:00:00Z"))
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen on; 0 picks a free one.  [default: 8787]")
@DATABASE
@SIGNER
@click.option("--public-url", help="The URL that customers reach this server at.")
@click.option("--webhook-targets", help="public, or any: also http and private addresses.  [default: public]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Server processes; SQLite takes one.")
@click.option("--migrate", is_flag=True, help="Bring a PostgreSQL database's schema up to date first; needs its owner.")
@click.option("--sandbox-clock", metavar="INSTANT", help="Hold the sandbox's clock at an instant.")
@click.pass_obj
def serve(out: Output, /, workers: int, migrate: bool, sandbox_clock: str | None, **flags: str | None) -> None:
    """Start the server: API, pages and the log. Creates a SQLite file on the first start."""
    from ..process import serving
    from .host.serve import tell

    clock = parse_instant(sandbox_clock) if sandbox_clock is not None else None
    values = settings.load(flags)
    sys.exit(serving.serve(values, clock, workers, migrate, lambda started: tell(out, started, values["database"])))


@main.command(epilog=examples("pacspace migrate --database postgresql://owner@db.example/pacspace --role pacspace"))
@DATABASE
@click.option("--role", metavar="NAME", help="The role that `serve` connects as; it gets the rights it needs, no more.")
@click.pass_obj
def migrate(out: Output, /, role: str | None, database: str | None) -> None:
    """Create a PostgreSQL record, or bring its schema up to date. Connects as the owner of the database.

    With --role, that role may read everything and add to the record, but not change or remove what is in it.
    """
    from ..process.engines import migrate_postgres

    where = settings.database(settings.load({"database": database})["database"])
    if where.path is not None:
        out.fail(
            "migrate is for PostgreSQL: a SQLite file is brought up to date whenever it is opened",
            exit_status.WRONG_USE,
        )
    added = migrate_postgres(where, role)
    what = f"applied {', '.join(added)}" if added else "the schema is up to date"
    out.show(
        {"database": str(where), "applied": added, "role": role}, what + (f"; {role} has its rights" if role else "")
    )


@main.command(epilog=examples("pacspace demo --keep"))
@click.option("--keep", is_flag=True, help="Leave the server running and print the links.")
@click.pass_obj
def demo(out: Output, keep: bool) -> None:
    """Run a whole billing cycle on a real server in a temporary folder: two months, receipts, tampering."""
    from .demo import run_demo

    sys.exit(run_demo(out, keep))


@main.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command("create", epilog=examples("pacspace keys create --env live --name billing"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), required=True, help="Sandbox or production.")
@click.option("--name", default="", help="What the key is for.")
@click.option("--scopes", default="read,write", show_default=True, help="Of read, write, admin.")
@WORKSPACE
@DATABASE
@click.pass_obj
def keys_create(out: Output, side: str, name: str, scopes: str, workspace: str | None, database: str | None) -> None:
    """Make a key. The full key is shown once and kept only as a hash."""
    from ..process.engines import open_storage
    from ..service.base.context import SCOPES
    from ..service.people.keys import create_key

    wanted = tuple(scopes.split(","))
    if not set(wanted) <= set(SCOPES):
        out.fail(f"--scopes: {scopes} is not a list of {', '.join(SCOPES)}", exit_status.WRONG_USE)
    storage = open_storage(settings.database(settings.load({"database": database})["database"]))
    with storage.snapshot() as snapshot:
        picked = pick_workspace(out, snapshot, workspace)
    key, full = create_key(storage, ENVIRONMENTS[side], name, wanted, picked.id)
    storage.close()
    value = {
        "id": key.id, "name": key.name, "environment": key.environment, "scopes": list(key.scopes),
        "publicKey": full.partition(".")[0], "fullKey": full, "createdAt": instant_text(key.created_at),
    }  # fmt: skip
    out.show(value, f"{full}\n\n{key.id}, {key.environment}, scopes {scopes}. Keep it: it is not shown again.")


@keys.command("list", epilog=examples("pacspace keys list"))
@DATABASE
@click.pass_obj
def keys_list(out: Output, database: str | None) -> None:
    """List the keys, without their secrets."""
    from ..process.engines import open_storage

    storage = open_storage(settings.database(settings.load({"database": database})["database"]), create=False)
    with storage.snapshot() as snapshot:
        rows = snapshot.api_keys()
        owners = {environment.id: environment.workspace_id for environment in snapshot.environments()}
    storage.close()
    value: list[dict[str, Any]] = [
        {
            "id": k.id, "name": k.name, "environment": k.environment, "scopes": list(k.scopes), "active": k.is_active,
            "publicId": k.public_id, "createdAt": instant_text(k.created_at), "workspaceId": owners[k.environment_id],
            "state": "active" if k.is_active else "revoked" if k.revoked_at else "switched off",
        }
        for k in rows
    ]  # fmt: skip
    lines = [[v["id"], v["workspaceId"], v["environment"], v["state"], ",".join(v["scopes"]), v["name"]] for v in value]
    shown = table(["id", "workspace", "environment", "state", "scopes", "name"], lines)
    out.show(value, shown if lines else "no keys yet: pacspace keys create --env test")


@keys.command("revoke", epilog=examples("pacspace keys revoke key_1a2b3c"))
@click.argument("key_id", metavar="ID")
@DATABASE
@click.pass_obj
def keys_revoke(out: Output, key_id: str, database: str | None) -> None:
    """Revoke a key: it stops within a second, for ever."""
    from ..process.engines import open_storage
    from ..service.people.keys import revoke_by_command

    storage = open_storage(settings.database(settings.load({"database": database})["database"]), create=False)
    done = storage.write(lambda unit: revoke_by_command(unit, key_id))
    storage.close()
    if not done:
        out.fail(f"{key_id} is not an active key; see pacspace keys list", exit_status.NO)
    out.show({"id": key_id, "active": False}, f"{key_id} is revoked")


@main.command(epilog=examples("pacspace fsck --database sqlite:///./pacspace.db"))
@DATABASE
@SIGNER
@click.pass_obj
def fsck(out: Output, /, **flags: str | None) -> None:
    """Recompute everything from the rows: hashes, trees, totals, sequences, heads, the log, signatures.

    Runs beside a running server. Exit status 0 clean, 1 something differs, 2 wrong use, 3 could not be done.
    """
    from .host.fsck import run_fsck

    sys.exit(run_fsck(out, settings.load(flags)))


@main.command(epilog=examples("pacspace backup pacspace-2026-02-28.backup"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@DATABASE
@SIGNER
@click.pass_obj
def backup(out: Output, /, file: Path, force: bool, **flags: str | None) -> None:
    """Write a backup of the record: one consistent state, beside a running server. The file is there whole or not at all.

    Everything in the database is in it. The signing keys are not: keep a copy of their folder apart from the backup.
    """
    from .host.backup import run_backup

    run_backup(out, settings.load(flags), file, force)


@main.command(epilog=examples("pacspace restore pacspace-2026-02-28.backup --database sqlite:///./restored.db"))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Move a SQLite file that is there aside.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--role", metavar="NAME", help="PostgreSQL: the role that `serve` connects as; it gets its rights.")
@DATABASE
@SIGNER
@click.pass_obj
def restore(out: Output, /, file: Path, replace: bool, yes: bool, role: str | None, **flags: str | None) -> None:
    """Check a backup, put it in place, and say whether the server will sign.

    A SQLite record that is there is moved aside, never deleted; a PostgreSQL database must hold none, and is connected to as
    its owner. A log that is behind what was signed is not signed any more: `pacspace new-log` lets the record go on.

    Exit status: 0 restored, 1 restored but it will not sign, 2 wrong use, 3 could not be done.
    """
    from .host.backup import run_restore

    sys.exit(run_restore(out, settings.load(flags), file, replace, yes, role))


@main.command("new-log", epilog=examples("pacspace new-log --database sqlite:///./pacspace.db"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), help="Only the sandbox, or only production.")
@click.option(
    "--lost-signing-folder",
    is_flag=True,
    help="The folder of signing keys is lost, or came back from a copy: every log is frozen.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@DATABASE
@SIGNER
@click.pass_obj
def new_log(out: Output, /, side: str | None, lost_signing_folder: bool, yes: bool, **flags: str | None) -> None:
    """Let a restored record go on where its log can't: freeze that log, begin a new one with a new key.

    Locked months that the backup had published stay in the old log with their proof roots. Every other month goes on in the
    new log, with the same deltas. Stop the server first; on PostgreSQL connect as the owner of the database.

    A copy of the signing folder does not know what was signed after it was made: with one, nothing shows that a log can't go on.
    Then say --lost-signing-folder.
    """
    from .host.new_log import run_new_log

    only = ENVIRONMENTS[side] if side else None
    sys.exit(run_new_log(out, settings.load(flags), only, lost_signing_folder, yes))


@main.command(epilog=examples("pacspace trust --env live > trust.txt"))
@click.option("--env", "side", type=click.Choice(list(ENVIRONMENTS)), required=True, help="Sandbox or production.")
@WORKSPACE
@DATABASE
@click.pass_obj
def trust(out: Output, /, side: str, workspace: str | None, database: str | None) -> None:
    """Print a trust file with the key of the record's log, and of those it goes on from after restores.

    A server shows the same at /log/{name}/trust. Give it to your customers by a way of its own: with the contract, say.
    """
    from .host.new_log import run_trust

    run_trust(out, settings.load({"database": database}), workspace, ENVIRONMENTS[side])


@main.command(epilog=examples("pacspace erase cust_acme --env live", "pacspace erase cust_acme --before 2025-01 --yes"))
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
    out: Output, customer: str, side: str, before: str | None, yes: bool, workspace: str | None, database: str | None
) -> None:
    """Erase a customer's reasons, references and metadata, for good. Proofs stay.

    Removes contexts and their salts, and without --before the display name, the texts of notes and the visits. Every proof root and receipt verifies as
    before, a retry of an erased delta still replays, and replies say dataPurged. Runs beside a running server.
    """
    from .host.erase import run_erase

    values = settings.load({"database": database})
    run_erase(out, values, workspace, ENVIRONMENTS[side], customer, before, yes)


@main.command("verify", epilog=examples("pacspace verify receipt-2026-02.json --key 'pacspace.log/sandbox/...'"))
@click.argument("receipts", nargs=-1, required=True, metavar="RECEIPT.json...")
@click.option("--key", "keys_given", multiple=True, metavar="VERIFIER_KEY", help="The log's key; repeatable.")
@click.option("--trust", metavar="FILE", help="A trust file: log keys, customers' fingerprints, witnesses.")
@click.option("--allow-provisional", is_flag=True, help="Accept a month that is not locked yet.")
@click.option("--allow-summary", is_flag=True, help="Accept a total without its deltas.")
@click.pass_obj
def verify(
    out: Output,
    receipts: tuple[str, ...],
    keys_given: tuple[str, ...],
    trust: str | None,
    allow_provisional: bool,
    allow_summary: bool,
) -> None:
    """Recompute receipt files and say what each proves. Needs no server and no key of ours.

    Exit status: 0 verified, 1 not verified, 2 wrong use, 3 could not be done.
    """
    if keys_given and trust:
        out.fail("--key and --trust are alternatives: a trust file lists keys too", exit_status.WRONG_USE)
    report, code = verify_command.run(receipts, keys_given, trust, allow_provisional, allow_summary)
    click.echo((verify_command.as_json if out.as_json else verify_command.as_text)(receipts, report, code))
    sys.exit(code)


@main.command("config", epilog=examples("pacspace config"))
@click.pass_obj
def show_config(out: Output) -> None:
    """Show each setting, its value and where it came from."""
    values = settings.load({})
    rows = []
    for setting in settings.SETTINGS:
        value = values[setting.name]
        shown = "(set)" if setting.secret and value.text else settings.without_password(value.text)
        rows.append({"name": setting.name, "value": shown, "source": value.source, "help": setting.help})
    lines = [[row["name"], row["value"] or "(empty)", row["source"], row["help"]] for row in rows]
    out.show(rows, table(["setting", "value", "from", "meaning"], lines))


for command in (
    clock.clock, recording.emit, importing.import_file, reading.derive, reading.compare, closing.checkpoint, closing.close_month,
    receipts.receipt, reading.customers, reading.customer, exporting.export, webhooks.webhooks, completion.completion, users.admin, workspaces.workspace,
):  # fmt: skip
    main.add_command(command)
