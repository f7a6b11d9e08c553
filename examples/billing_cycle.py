"""A month of metered usage, from the daily flush to an invoice that the customer can verify.

    pacspace serve                      # prints a key of the sandbox
    PACSPACE_API_KEY=pk_test_... python examples/billing_cycle.py

The server is the local one, or PACSPACE_BASE_URL. It may be run again: nothing is counted twice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal

from pacspace_sdk import PacSpace

CUSTOMER_ID, PERIOD = "cust_acme_001", "2026-02"
DAILY_CALLS = {"2026-02-01": 420, "2026-02-02": 390, "2026-02-03": 437}
RATE = Decimal("0.0020")
LINE = "=" * 60


@dataclass
class Invoice:
    """What goes on the bill."""

    invoice_id: str
    customer_id: str
    period: str
    usage_units: Decimal
    recorded_days: int
    rate: Decimal
    proof_root: str | None
    verify_url: str | None

    @property
    def subtotal(self) -> Decimal:
        return self.usage_units * self.rate


def main() -> None:
    # Money is reckoned in decimals.
    with PacSpace(os.environ["PACSPACE_API_KEY"], decimals=True) as pac:
        print("Flushing daily usage...\n")
        for usage_date, calls in DAILY_CALLS.items():
            flush_daily_usage(pac, CUSTOMER_ID, usage_date, calls)
        balance = pac.balance.derive(CUSTOMER_ID, period=PERIOD)
        print(f"Mid-period usage: {abs(balance['computedBalance'])} units\n")
        invoice = make_invoice(pac, CUSTOMER_ID, PERIOD)
        print(f"Period locked. Proof root: {invoice.proof_root}\n")
        print_invoice(invoice)


def flush_daily_usage(pac: PacSpace, customer_id: str, usage_date: str, total_calls: int) -> None:
    """One delta for one day. The date in the reference makes it safe to flush a day again."""
    pac.balance.emit(
        customer_id,
        -total_calls,
        f"daily_usage_flush:{usage_date}",
        reference_id=f"usage:{customer_id}:{usage_date}",
        occurred_at=f"{usage_date}T23:59:59Z",
    )
    print(f"Flushed {total_calls} calls for {customer_id} on {usage_date}")


def make_invoice(pac: PacSpace, customer_id: str, period: str) -> Invoice:
    """Locks the month; its receipt says what is billed. Locking again changes nothing."""
    checkpoint = pac.balance.checkpoint(customer_id, period=period, invoice_reference=f"inv-{customer_id}-{period}")
    receipt = pac.balance.receipt(customer_id, period=period)
    return Invoice(
        invoice_id=f"inv-{customer_id}-{period}",
        customer_id=customer_id,
        period=period,
        usage_units=abs(Decimal(receipt["finalBalance"])),
        recorded_days=int(receipt["deltaCount"]),
        rate=RATE,
        proof_root=receipt["proofRoot"] or checkpoint["proofRoot"],
        verify_url=receipt["verifyUrl"],
    )


def print_invoice(invoice: Invoice) -> None:
    rows = {
        "Customer": invoice.customer_id,
        "Period": invoice.period,
        "Usage Units": f"{invoice.usage_units:,}",
        "Recorded Days": invoice.recorded_days,
        "Rate": f"${invoice.rate} / call",
        "Subtotal": f"${invoice.subtotal:.2f}",
        "Proof root": invoice.proof_root,
        "Verify at": invoice.verify_url,
    }
    print(f"{LINE}\n  INVOICE: {invoice.invoice_id}\n{LINE}")
    for name, value in rows.items():
        print(f"  {name + ':':<19} {value}")
    print(LINE)


if __name__ == "__main__":
    main()
