"""`pacspace webhooks`: endpoints, and a developer's tools for receivers."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ...config import Value, http_url
from ...domain.events import EVENTS
from ..command import Group, examples
from ..options import short_instant, with_client
from ..output import Output, fields, table

if TYPE_CHECKING:
    from ..client import Client

ENDPOINTS, FOLLOW, TRIGGER = "/dashboard/webhooks", "/api/v1/sandbox/events", "/api/v1/sandbox/events/trigger"
POLL_S, FORWARD_S = 0.5, 10


@click.group(cls=Group)
def webhooks() -> None:
    """Send events to your systems: manage endpoints and test a receiver.

    Endpoints need a key with the admin scope; listen and trigger work in the sandbox, with any key that can write.
    """


@webhooks.command(
    "create", epilog=examples("pacspace webhooks create https://example.com/webhooks --event delta.verified")
)
@click.argument("address", metavar="URL")
@click.option(
    "--event", "events", multiple=True, type=click.Choice(EVENTS), help="Only this event; repeatable.  [default: all]"
)
@click.option("--description", metavar="TEXT", help="A note about the endpoint.")
@with_client
@click.pass_obj
def create(out: Output, /, client: Client, address: str, events: tuple[str, ...], description: str | None) -> None:
    """Create an endpoint: events are posted to URL. Prints its signing secret once."""
    body: dict[str, Any] = {"url": address, "events": list(events)} | (
        {"description": description} if description else {}
    )
    made = client.post(ENDPOINTS, body)
    out.show(made, f"{made['secret']}\n\n{made['id']}, {made['url']}. Keep the secret: it is not shown again.")


@webhooks.command("list", epilog=examples("pacspace webhooks list"))
@with_client
@click.pass_obj
def list_all(out: Output, /, client: Client) -> None:
    """List the endpoints, without their secrets."""
    found = client.get(ENDPOINTS)["webhooks"]
    columns = ["endpoint", "url", "state", "succeeded", "failed", "last attempt", "problem"]
    out.show(
        found,
        table(columns, [_row(endpoint) for endpoint in found], numbers=columns[3:5])
        if found
        else "no endpoints yet: `pacspace webhooks create URL`",
    )


def _row(endpoint: dict[str, Any]) -> list[Any]:
    failing = f"failing since {endpoint['failingSince']}" if endpoint["failingSince"] else ""
    return [
        endpoint["id"],
        endpoint["url"],
        "on" if endpoint["enabled"] else "off",
        endpoint["successCount"],
        endpoint["failureCount"],
        short_instant(endpoint["lastTriggered"]),
        endpoint["disabledReason"] or failing,
    ]


@webhooks.command("test", epilog=examples("pacspace webhooks test whk_0123456789abcdef0123456789abcdef"))
@click.argument("endpoint")
@with_client
@click.pass_obj
def test(out: Output, /, client: Client, endpoint: str) -> None:
    """Send a signed test event to ENDPOINT now, and show its reply.

    Exit status: 0 the endpoint replied with 2xx, 1 it failed.
    """
    from ..client import in_path

    reply = client.post(f"{ENDPOINTS}/{in_path(endpoint)}/test", {})
    lines = [
        ("status", reply["statusCode"]),
        ("problem", reply["error"]),
        ("took", f"{reply['durationMs']} ms"),
        ("reply", reply["reply"] or None),
    ]
    out.show(reply, ("delivered" if reply["delivered"] else "not delivered") + f"\n{fields(lines)}")
    if not reply["delivered"]:
        raise SystemExit(1)


@webhooks.command("delete", epilog=examples("pacspace webhooks delete whk_0123456789abcdef0123456789abcdef"))
@click.argument("endpoint")
@with_client
@click.pass_obj
def delete(out: Output, /, client: Client, endpoint: str) -> None:
    """Delete ENDPOINT and its pending deliveries."""
    from ..client import in_path

    reply = client.delete(f"{ENDPOINTS}/{in_path(endpoint)}")
    out.show(reply, f"{reply['id']} is deleted")


@webhooks.command("trigger", epilog=examples("pacspace webhooks trigger delta.verified"))
@click.argument("event", type=click.Choice(EVENTS), metavar="EVENT")
@with_client
@click.pass_obj
def trigger(out: Output, /, client: Client, event: str) -> None:
    """Send a sample of EVENT, with `test: true` in its data, to the sandbox's endpoints and to `webhooks listen`."""
    reply = client.post(TRIGGER, {"event": event})
    out.show(reply, f"{reply['event']} {reply['eventId']}")


@webhooks.command("listen", epilog=examples("pacspace webhooks listen --forward-to http://127.0.0.1:3000/webhooks"))
@click.option(
    "--forward-to",
    "forward_to",
    required=True,
    metavar="URL",
    help="Your receiver's URL; it can be on this machine.",
)
@click.option("--secret", help="Sign with this secret.  [default: a new one, printed at the start]")
@with_client
@click.pass_obj
def listen(out: Output, /, client: Client, forward_to: str, secret: str | None) -> None:
    """Follow the sandbox's new events and post each to URL, signed, until Ctrl-C.

    Needs no endpoint and no public address. Posts each event once: shows failures and does not retry.
    """
    given = secret or f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    target = http_url("--forward-to", Value(forward_to, "flag"))
    cursor = _ask(client, {})[1]
    if out.as_json:
        click.echo(json.dumps({"secret": given, "forwardTo": target}))
    else:
        click.echo(f"PACSPACE_WEBHOOK_SECRET={given}\nforwarding the sandbox's events to {target}; Ctrl-C ends")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            events, cursor = _ask(client, {"after": cursor})
            for body in events:
                _show(out, json.loads(body), _forward(target, given, body))
            if not events:
                time.sleep(POLL_S)


def _ask(client: Client, body: dict[str, Any]) -> tuple[list[bytes], str]:
    """The next events, each as the bytes that an endpoint receives, and the cursor after them."""
    import msgspec

    def parts(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
        return msgspec.json.decode(data, type=dict[str, msgspec.Raw])

    reply = parts(parts(client.fetch("POST", FOLLOW, json.dumps(body).encode(), repeatable=True))["data"])
    events = msgspec.json.decode(reply["events"], type=list[msgspec.Raw])
    return [bytes(event) for event in events], msgspec.json.decode(reply["cursor"], type=str)


def _forward(url: str, secret: str, body: bytes) -> int | str:
    """The status of the reply, or why there is none."""
    from pacspace_proofs.webhook import signed_headers

    event = json.loads(body)
    headers = {"Content-Type": "application/json", "X-Webhook-Event": event["event"], "X-Event-ID": event["id"]}
    headers |= signed_headers([secret], event["id"], int(time.time()), body)
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=FORWARD_S)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _show(out: Output, event: dict[str, Any], outcome: int | str) -> None:
    if out.as_json:
        click.echo(json.dumps({"event": event, "forwarded": outcome}))
    else:
        about = event["data"].get("customerId") or ""
        click.echo(f"{short_instant(event['createdAt'])}  {event['event']}  {about}  {event['id']}  -> {outcome}")
