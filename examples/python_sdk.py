"""A tour of the Python client: record, wait, derive, compare, checkpoint, receipt, customers, summaries, webhooks.

    pacspace serve                      # prints a key of the sandbox
    PACSPACE_API_KEY=pk_test_... python examples/python_sdk.py

The server is the local one, or PACSPACE_BASE_URL. Each run uses a customer of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from pacspace_proofs.webhook import signed_headers
from pacspace_sdk import PacSpace, PacSpaceError, RateLimitError, ValidationError, Webhooks
from pacspace_sdk.types import EmitOptions


def main() -> None:
    with PacSpace(os.environ["PACSPACE_API_KEY"]) as pac:
        customer_id = f"cust_{secrets.token_hex(4)}"
        period = record_usage(pac, customer_id)
        read_the_record(pac, customer_id, period)
        send_summaries(pac, customer_id)
        close_the_month(pac, customer_id, period)
        catch_errors(pac, customer_id)
    receive_a_webhook()


def record_usage(pac: PacSpace, customer_id: str) -> str:
    """Records two deltas; returns the month that they were posted to."""
    options: EmitOptions = {
        "referenceId": f"usage_{customer_id}_001",
        "metadata": {"product": "inference", "units": 50},
    }
    emitted = pac.balance.emit(customer_id, -42.5, "compute_minutes", options)
    print(f"recorded {emitted['recordId']}, {emitted['status']}")
    again = pac.balance.emit(customer_id, -42.5, "compute_minutes", options)
    print(f"the same reference again is the same record: {again['recordId'] == emitted['recordId']}")
    waited = pac.balance.emit_and_wait(customer_id, -10, "compute_minutes", timeout=30_000, poll_interval=100)
    print(f"recorded {waited['recordId']}, {waited['status']}")
    return emitted["period"]


def read_the_record(pac: PacSpace, customer_id: str, period: str) -> None:
    """The balance, and two views against it."""
    balance = pac.balance.derive(customer_id, period=period)
    print(f"{period}: {balance['computedBalance']} in {balance['deltaCount']} deltas")
    report = pac.balance.compare(customer_id, {"yours": -52.5, "theirs": -42.5}, period=period)
    print(f"ours matches: {report['matchesYours']}, theirs matches: {report['matchesTheirs']}")
    for delta in pac.balance.iter_deltas(customer_id, period=period):
        print(f"  {delta['sequenceNumber']}. {delta['delta']} for {delta['reason']}")


def send_summaries(pac: PacSpace, customer_id: str) -> None:
    """Usage that was added up before it is sent."""
    pac.balance.queue_summary({"customerId": customer_id, "delta": -100, "reason": "daily_usage"})
    flushed = pac.balance.flush_summaries()
    print(f"summaries: {flushed['accepted']} accepted, {flushed['failed']} failed")


def close_the_month(pac: PacSpace, customer_id: str, period: str) -> None:
    """Locks the month, and verifies its receipt as the customer would."""
    checkpoint = pac.balance.checkpoint(customer_id, period=period)
    print(f"locked {period}: {checkpoint['deltaCount']} deltas under {checkpoint['proofRoot']}")
    receipt = pac.balance.receipt(customer_id, period=period)
    print(f"anyone can look at {receipt['verifyUrl']}")
    file = pac.receipts.download(receipt["receiptId"] or "")
    Path("receipt.json").write_bytes(file)
    # The key of a real vendor comes by another way than its own server: with the contract, or an earlier invoice.
    report = pac.receipts.verify(file, trust=receipt["verification"]["verifierKey"])
    print(f"receipt.json, verified offline: {report['result']}")
    print(pac.receipts.email_body(receipt))


def catch_errors(pac: PacSpace, customer_id: str) -> None:
    """Every error is a PacSpaceError."""
    try:
        pac.balance.emit(customer_id, 0, "nothing")
    except RateLimitError as err:
        print(f"retry after {err.retry_after} seconds")
    except ValidationError as err:
        print(f"refused: {err}")
    except PacSpaceError as err:
        print(err.code)


def receive_a_webhook() -> None:
    """What an endpoint does with a request; here the request is made by hand."""
    secret = "whsec_" + "c2VjcmV0IG9mIGFuIGV4YW1wbGU="
    raw_body = json.dumps({"id": "evt_1", "event": "delta.verified", "data": {"receiptId": "0xab"}}).encode()
    headers: Mapping[str, str] = signed_headers([secret], "evt_1", int(time.time()), raw_body)
    event = Webhooks(secret).verify_from_headers(headers, raw_body)
    print(f"webhook {event['event']}: {event['data']['receiptId']}")


if __name__ == "__main__":
    main()
