"""The pages for people, over a real socket."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from testkit.inside.engines import seal_again
from testkit.inside.running import running

from pacspace_server.domain.amounts import units
from pacspace_server.domain.instants import parse_instant
from pacspace_server.http.messages import Reply
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.web import proof, words
from pacspace_server.web.pages import Pages
from pacspace_server.web.rendering import CONTENT_POLICY

CUSTOMER = "cust_never-shown-on-a-page"
NOW = "2026-03-01T00:05:12Z"
MINUS = "\u2212"
FORBIDDEN = (
    r"\bused\b|consum(?:e|ed|ption)|charged?\b|deduct|measur|\bmetered\b|calculat|\bscores?\b|blame|"
    r"guilty|fraud|transaction|tenant|blockchain|merkle|audit path|digest|notary|certificate|\bclosed\b|\banchor"
)


@dataclass
class Answer:
    """A reply as a browser gets it."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Site:
    """A running server, its sandbox key and its database."""

    url: str
    key: str
    database: Path

    def get(self, path: str, method: str = "GET") -> Answer:
        request = urllib.request.Request(self.url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return Answer(reply.status, dict(reply.headers), reply.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read().decode())

    def call(self, path: str, body: Any) -> Any:
        headers = {"X-Api-Key": self.key, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)["data"]

    def emit(self, customer_id: str, delta: float, occurred_at: str = "2026-02-03T08:15:00Z") -> Any:
        body = {"customerId": customer_id, "delta": delta, "reason": "compute_minutes", "occurredAt": occurred_at}
        return self.call("/api/v1/balance/delta", body)

    def checkpoint(self, customer_id: str, **scope: str) -> Any:
        return self.call("/api/v1/balance/checkpoint", {"customerId": customer_id, **scope})

    def tamper(self, sql: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            assert connection.execute(sql, values).rowcount == 1

    def bring_about(self, sql: str, *values: Any) -> None:
        """A state that only lasts for a moment: what the server itself would have written."""
        self.tamper(sql, *values)
        seal_again(self.database)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = tmp_path_factory.mktemp("web") / "record.db"
    with running(database, "--sandbox-clock", NOW) as started:
        yield Site(started["url"], started["fullKey"], database)


@pytest.fixture(scope="module")
def month(site: Site) -> dict[str, Any]:
    """A locked month of three deltas."""
    deltas = [site.emit(CUSTOMER, delta) for delta in (-1_234_567.5, -86.38, 0.000000001)]
    return {"deltas": deltas, **site.checkpoint(CUSTOMER, period="2026-02")}


def text_of(page: str) -> str:
    """What a reader sees: no tags, no entities, single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


def test_an_invoice_link_shows_the_total_exactly(site: Site, month: dict[str, Any]) -> None:
    """The page behind an invoice link says period, exact total, number of records and that it is locked."""
    answer = site.get(f"/verify/{month['proofRoot']}")
    shown = text_of(answer.body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"Total recorded {MINUS}1,234,653.879999999 in 3 deltas" in shown
    assert '<data value="-1234653.879999999">' in answer.body
    assert "February 2026" in shown
    assert "Locked1 March 202600:05:12 UTC" in shown
    assert "The record matches this proof root" in shown


def test_the_page_names_root_key_and_log(site: Site, month: dict[str, Any]) -> None:
    """Proof root, origin, verifier key and fingerprint are shown in full and can be copied as they are."""
    with urllib.request.urlopen(f"{site.url}/api/v1/verify/{month['proofRoot']}?source=both", timeout=20) as reply:
        verification = json.load(reply)["data"]["verification"]
    shown = text_of(site.get(f"/verify/{month['proofRoot']}").body)
    for value in ("verifierKey", "logOrigin", "keyFingerprint"):
        assert verification[value] in shown
    assert month["proofRoot"] in shown
    assert re.search(rf"Log entry{verification['verificationReference']}, in a log of \d+ entr", shown)


def test_the_page_recomputes_from_records_and_log(site: Site, month: dict[str, Any]) -> None:
    """Each check of the records and of the log is listed with its own result."""
    page = site.get(f"/verify/{month['proofRoot']}").body
    assert page.count('<li class="ok">') == 6
    assert '<li class="not">' not in page
    assert "Checked at" in page


def test_a_sandbox_page_says_so(site: Site, month: dict[str, Any]) -> None:
    """Whatever a sandbox page shows, it says first that it is a test."""
    for path in (f"/verify/{month['proofRoot']}", f"/verify/{month['deltas'][0]['receiptId']}"):
        page = site.get(path).body
        assert "SANDBOX a test, not a bill" in text_of(page)
        assert page.index("SANDBOX") < page.index("<header")


def test_a_receipt_id_opens_its_proof_and_its_document(site: Site, month: dict[str, Any]) -> None:
    """A chk_ id opens the page of its proof root under /verify; under /receipt its document, which a proof root does not."""
    receipt_id = month["receiptId"]
    assert site.get(f"/verify/{month['proofRoot']}").body == site.get(f"/verify/{receipt_id}").body
    document = text_of(site.get(f"/receipt/{receipt_id}").body)
    assert "Receipt for February 2026" in document and "compute_minutes" in document
    assert site.get(f"/receipt/{month['proofRoot']}").status == 404


def test_the_shown_commands_verify(site: Site, month: dict[str, Any], tmp_path: Path) -> None:
    """The two commands on the page, run as printed, fetch the summary and verify it."""
    page = site.get(f"/verify/{month['proofRoot']}").body
    fetch, verify = (html.unescape(command) for command in re.findall(r"<pre><code>(.*?)</code></pre>", page))
    url = re.fullmatch(r"curl -o receipt\.json '(.*)'", fetch)
    key = re.fullmatch(r"python -m pacspace_proofs receipt\.json --key '(.*)' --allow-summary", verify)
    assert url
    assert key
    with urllib.request.urlopen(url[1], timeout=20) as reply:
        (tmp_path / "receipt.json").write_bytes(reply.read())
    done = subprocess.run(
        [sys.executable, "-m", "pacspace_proofs", "receipt.json", "--key", key[1], "--allow-summary"],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED: locked-summary" in done.stdout


def test_the_page_does_not_hand_out_the_single_records(site: Site, month: dict[str, Any]) -> None:
    """Every link to the receipt file on a proof-root page asks for the summary."""
    page = html.unescape(site.get(f"/verify/{month['proofRoot']}").body)
    assert re.findall(r"/receipts/[^']*", page) == [f"/receipts/{month['proofRoot']}.json?kind=summary"]
    assert month["receiptId"] not in page
    assert "86.38" not in page
    assert "compute_minutes" not in page


def test_one_record_shows_times_and_no_amount(site: Site, month: dict[str, Any]) -> None:
    """A delta's receiptId shows state and times, never an amount, a reason or a total."""
    answer = site.get(f"/verify/{month['deltas'][1]['receiptId']}")
    shown = text_of(answer.body)
    assert answer.status == 200
    assert "One delta recorded" in shown
    assert "Recorded1 March 202600:05:12 UTC" in shown
    for hidden in ("86.38", "234,", "compute_minutes", "Total", month["receiptId"], month["proofRoot"]):
        assert hidden not in shown


def test_an_open_month_is_not_called_locked(site: Site) -> None:
    """A provisional root says that the month can still grow, and its commands say so too."""
    site.emit("cust_open", -5, NOW)
    root = site.checkpoint("cust_open")["proofRoot"]
    page = html.unescape(site.get(f"/verify/{root}").body)
    assert "not locked yet" in page
    assert "so far" in page
    assert "--allow-summary --allow-provisional" in page


def test_an_outgrown_root_is_explained(site: Site) -> None:
    """A root handed out before its month grew is called an earlier state, not a contradiction."""
    site.emit("cust_grown", -5, NOW)
    root = site.checkpoint("cust_grown")["proofRoot"]
    site.emit("cust_grown", -6, NOW)
    page = site.get(f"/verify/{root}").body
    assert "An earlier state, still contained in the record" in page
    assert f"{MINUS}5</data>" in page
    assert "/receipts/" not in page


def test_a_window_names_its_days(site: Site) -> None:
    """A custom window is named by its first and last day and never called locked."""
    site.emit("cust_window", -5)
    root = site.checkpoint("cust_window", startDate="2026-02-01", endDate="2026-02-10")["proofRoot"]
    shown = text_of(site.get(f"/verify/{root}").body)
    assert "1 February 2026 to 9 February 2026" in shown
    assert "a window, not locked" in shown


def test_a_changed_row_does_not_match(site: Site) -> None:
    """After a stored amount was changed the page says which check differs, and does not name the customer."""
    customer_id = CUSTOMER + "-2"
    record = site.emit(customer_id, -7)
    root = site.checkpoint(customer_id, period="2026-02")["proofRoot"]
    sql = "UPDATE delta SET delta = -8000000000 WHERE customer = (SELECT id FROM customer WHERE customer_id = ?)"
    site.tamper(sql, customer_id)
    page = site.get(f"/verify/{root}").body
    assert "The record does not match this proof root" in page
    assert '<li class="not">' in page
    assert "2026-02, line 1" in page
    assert customer_id not in page
    one = site.get(f"/verify/{record['receiptId']}").body
    assert "no longer matches its hash" in one
    assert customer_id not in one


def test_a_row_that_is_no_longer_readable_is_not_quoted(site: Site) -> None:
    """A row overwritten with the customer's name is reported without repeating it."""
    customer_id = CUSTOMER + "-3"
    site.emit(customer_id, -7)
    root = site.checkpoint(customer_id, period="2026-02")["proofRoot"]
    sql = "UPDATE delta SET period_total = ? WHERE customer = (SELECT id FROM customer WHERE customer_id = ?)"
    site.tamper(sql, customer_id, customer_id)
    answer = site.get(f"/verify/{root}")
    assert "The record matches" not in answer.body
    assert customer_id not in answer.body


def test_a_root_that_the_log_does_not_show_yet_is_not_called_a_match(site: Site) -> None:
    """A locked month on its way into the log is said to be on its way: neither a match nor a contradiction."""
    site.emit("cust_waiting", -7)
    root = site.checkpoint("cust_waiting", period="2026-02")["proofRoot"]
    sql = (
        "UPDATE period_head SET entry_index = 999999, previous_size = 0 "
        "WHERE customer = (SELECT id FROM customer WHERE customer_id = 'cust_waiting')"
    )
    site.bring_about(sql)
    page = site.get(f"/verify/{root}").body
    assert "The deltas match; the log has not published them yet" in page
    assert "not published yet, in a log of" in text_of(page)
    assert "/receipts/" not in page


def test_the_unit_is_escaped(site: Site) -> None:
    """A unit with markup and invisible characters appears as text."""
    site.emit("cust_unit", -7)
    root = site.checkpoint("cust_unit", period="2026-02")["proofRoot"]
    site.bring_about("UPDATE customer SET unit = ? WHERE customer_id = 'cust_unit'", "<img src=x>\u202e")
    page = site.get(f"/verify/{root}").body
    assert "&lt;img src=x&gt;\\u202e" in page
    assert "<img src=x" not in page
    assert "\u202e" not in page


HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'\"&lt;", "{{7*7}}", "{% include 'x' %}",
    "0x" + "f" * 64, "chk_" + "0" * 56, "0X" + "F" * 64, "x" * 5000, "\x00\x1b[31m", "\u202e0x12",
    "../../pacspace.toml", "é",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["verify", "receipt"])
def test_hostile_input_is_only_text(site: Site, kind: str, text: str) -> None:
    """Whatever is asked for, the answer is a page in words that repeats it as harmless text."""
    answer = site.get(f"/{kind}/{urllib.parse.quote(text, safe='')}")
    assert answer.status == 404
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert not re.search(r"<script|onerror=alert\(1\)>|<img src=x|\u202e|\x1b|x{200}", answer.body)
    assert "{{7*7}}" in answer.body or "7*7" not in text


def test_an_unknown_root_says_what_happened_and_what_to_do(site: Site) -> None:
    """The page of an unknown root says what happened, why, and what to do next."""
    answer = site.get("/verify/0x" + "ab" * 32)
    shown = text_of(answer.body)
    assert answer.status == 404
    assert "This server doesn’t have that proof" in shown
    assert "0x" + "ab" * 32 in shown
    assert "Why" in shown
    assert "What to do" in shown


def test_a_slash_too_many_does_no_harm(site: Site, month: dict[str, Any]) -> None:
    """A link that gained a slash on its way opens all the same."""
    assert site.get(f"/verify/{month['proofRoot']}/").status == 200


def every_page(site: Site, month: dict[str, Any]) -> Iterator[Answer]:
    root, receipt_id = month["proofRoot"], month["deltas"][0]["receiptId"]
    paths = [
        "/",
        "/docs",
        "/verify",
        f"/verify/{root}",
        f"/verify/{receipt_id}",
        "/verify/",
        "/verify/0x1",
        "/receipt/a/b",
    ]
    for path in [*paths, "/static/nothing.css"]:
        yield site.get(path)


def test_no_page_runs_or_loads_anything_foreign(site: Site, month: dict[str, Any]) -> None:
    """Every page has the strict policy, no script, no inline style, and links to this server only."""
    for answer in every_page(site, month):
        assert answer.headers["content-security-policy"] == CONTENT_POLICY
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script|<form|\sstyle=|\son[a-z]+=|javascript:", answer.body)
        assert all(url.startswith(("/", "#")) for url in re.findall(r'(?:href|src)="([^"]*)"', answer.body))


def test_no_page_names_the_customer(site: Site, month: dict[str, Any]) -> None:
    """The customerId is on none of the pages that open without a key."""
    for answer in every_page(site, month):
        assert CUSTOMER not in answer.body


def test_the_words_are_the_products(site: Site, month: dict[str, Any]) -> None:
    """Pages say recorded; nothing was used, charged or measured, and nobody is judged."""
    # Names of fields are the interface's; what is said about them is ours.
    shown = [text_of(re.sub(r"<code>.*?</code>", "", answer.body)) for answer in every_page(site, month)]
    templates = resources.files("pacspace_server.web").joinpath("templates").iterdir()
    shown += [template.read_text(encoding="utf-8") for template in templates if template.name.endswith(".html")]
    shown += proof.CHECKS.values()
    assert len(shown) > 20
    for text in shown:
        found = re.search(FORBIDDEN, text, re.IGNORECASE)
        assert found is None, f"{found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 60]!r}"


def test_linked_files_are_there_and_immutable(site: Site) -> None:
    """Stylesheet and mark are named by their content and may be kept for ever; another name is a 404."""
    page = site.get("/").body
    linked = set(re.findall(r'"(/static/[^"]+)"', page))
    assert len(linked) == 2
    for path in linked:
        assert re.fullmatch(r"/static/[a-z]+\.[0-9a-f]{16}\.(css|svg)", path)
        answer = site.get(path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith(("text/css", "image/svg+xml"))
    assert site.get("/static/pacspace.css").status == 404


def test_the_stylesheet_loads_nothing(site: Site) -> None:
    """The stylesheet is alone: no import, no font, no foreign address; and it knows light, dark and print."""
    path = re.search(r'"(/static/[^"]+\.css)"', site.get("/").body)
    assert path
    sheet = site.get(path[1]).body
    assert not re.search(r"@import|@font-face|url\(|https?:", sheet)
    assert "prefers-color-scheme: dark" in sheet
    assert "@media print" in sheet


def test_how_to_check_a_file_shows_the_keys(site: Site, month: dict[str, Any]) -> None:
    """The page about saved files shows the verifier keys of this server's logs, production first."""
    shown = text_of(site.get("/verify").body)
    keys = re.findall(r"Verifier key(pacspace\.log/(?:sandbox|production)/[0-9a-f]{32}\+\S+) Key fingerprint", shown)
    assert [key.split("/")[1] for key in keys] == ["production", "sandbox"]
    with urllib.request.urlopen(f"{site.url}/log/{keys[1].split('/')[2][:32]}/key", timeout=20) as reply:
        assert reply.read().decode().strip() == keys[1]


def test_the_interface_is_shown_whole(site: Site) -> None:
    """/docs has every method and path, every field of a request and of a reply, and every code of the document."""
    document = json.loads(site.get("/openapi.json").body)
    answer = site.get("/docs")
    page = answer.body.replace("<wbr>", "")
    assert answer.status == 200
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            entry = page.partition(f' id="{operation["operationId"]}"')[2].partition("</section>")[0]
            shown = text_of(entry)
            assert shown.startswith(f"{method.upper()} {path} ") or f"> {method.upper()} {path} " in shown, path
            assert html.escape(operation["summary"], quote=False).partition("'")[0] in entry
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            parameters = [p["name"] for p in operation["parameters"] if "name" in p]
            for name in [*parameters, *body.get("properties", {})]:
                assert f"<code>{name}</code>" in entry, f"{path} {name}"
            statuses = " ".join(re.findall(r'<span class="status">([^<]*)<', entry)).replace(" or ", " ").split()
            assert set(statuses) == operation["responses"].keys(), path
    for schema in document["components"]["schemas"].values():
        for name, part in schema.get("properties", {}).items():
            assert f"<code>{name}</code>" in page or name in ("success", "error", "message", "statusCode"), name
            assert part.get("const") is not str or part["const"] in page


def test_links_in_the_interface_lead_somewhere(site: Site) -> None:
    """Each link of /docs within the page names one place in it."""
    page = site.get("/docs").body
    places = re.findall(r' id="([^"]*)"', page)
    assert len(places) == len(set(places))
    linked = set(re.findall(r'href="#([^"]*)"', page))
    assert len(linked) > 60
    assert linked <= set(places)


def test_the_commands_of_the_interface_run(tmp_path: Path) -> None:
    """Each command on /docs, run in order as printed, is understood: it succeeds, or what it asks for is not there."""
    with running(tmp_path / "record.db", "--sandbox-clock", "2026-02-10T12:00:00Z") as started:
        fresh = Site(started["url"], started["fullKey"], tmp_path)
        commands = [
            html.unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", fresh.get("/docs").body, re.S)
        ]
        assert len(commands) > 30
        statuses = [run_curl(command.replace("$PACSPACE_API_KEY", fresh.key)) for command in commands]
    of_the_record = [pair for pair in zip(commands, statuses) if "/dashboard/" not in pair[0]]
    assert {status for _, status in of_the_record} == {200, 201, 404}
    assert set(statuses) == {200, 201, 401, 403, 404}, "the first key is no admin's, and nobody has logged in"
    assert sorted(s for command, s in of_the_record if "-d '{\n" in command and s < 400) == [
        200,
        200,
        201,
        201,
        201,
        201,
    ]


def run_curl(command: str) -> int:
    """The status of what a curl command asks for."""
    _, *words = shlex.split(command.replace("\\\n", " "))
    method, data, headers, url = "GET", None, {}, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = words.pop(0).encode()
        else:
            url = word
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_head_has_no_body(site: Site, month: dict[str, Any]) -> None:
    """HEAD answers like GET, without the page."""
    answer = site.get(f"/verify/{month['proofRoot']}", "HEAD")
    assert answer.status == 200
    assert answer.body == ""


class Refusing:
    """A limit that is used up."""

    def take(self, address: str) -> None:
        raise ServiceError("RATE_LIMITED", "too many", retryAfterSeconds=3)


class Breaking:
    """A limit with a mistake in it."""

    def take(self, address: str) -> None:
        raise RuntimeError("secret detail")


def ask(pages: Pages, path: str) -> Reply:
    call = SimpleNamespace(
        address="192.0.2.1", request_id="req_7", path=lambda name: "0x1", scope={"method": "GET"}, route=""
    )
    return asyncio.run(_answer(pages, path, call))


async def _answer(pages: Pages, path: str, call: Any) -> Reply:
    return await pages.routes()["GET", path](call)


def pages_with(limit: Any, public_url: str = "https://vendor.example") -> Pages:
    context: Any = SimpleNamespace(public_url=public_url)
    running: Any = SimpleNamespace(context=context, visits=None)
    verifier: Any = SimpleNamespace()
    return Pages(running, verifier, limit)


def test_too_many_requests_is_a_page() -> None:
    """An address over its limit gets a page in words and when to come back."""
    page = ask(pages_with(Refusing()), "/verify/{proof_root:path}")
    assert page.status == 429
    assert page.headers["Retry-After"] == "3"
    assert b"too many requests" in page.body


def test_a_mistake_of_the_server_is_a_page() -> None:
    """A mistake of the server's gives its request id and nothing of its inside."""
    page = ask(pages_with(Breaking()), "/verify/{proof_root:path}")
    assert page.status == 500
    assert b"req_7" in page.body
    assert b"secret detail" not in page.body


def test_links_keep_the_path_of_the_public_url() -> None:
    """Behind a path prefix every link carries it."""
    page = ask(pages_with(None, "https://vendor.example/record/"), "/").body.decode()
    assert all(url.startswith("/record/") for url in re.findall(r'(?:href|src)="([^"#]+)"', page))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0"), ("-42.5", f"{MINUS}42.5"), ("999", "999"), ("1000", "1,000"), ("-0.0001", f"{MINUS}0.0001"),
        ("12345678901234567890.123456789", "12,345,678,901,234,567,890.123456789"),
    ],
)  # fmt: skip
def test_amounts_keep_every_digit(amount: str, shown: str) -> None:
    """Amounts are grouped by thousands and keep every digit."""
    assert words.amount(units(amount)) == shown


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("2026-02-01", "2026-03-01", "1 February 2026 to 28 February 2026"),
        ("2026-02-01", "2026-02-02", "1 February 2026"),
        ("2026-02-01T06:00:00Z", "2026-02-02", "1 February 2026, 06:00:00 until 2 February 2026, 00:00:00"),
    ],
)
def test_windows_are_named_in_words(start: str, end: str, shown: str) -> None:
    """Whole days are named by their first and last day, other windows by both instants."""
    assert words.window_text(parse_instant(start, True), parse_instant(end, True)) == shown


def test_a_hash_can_be_copied_whole() -> None:
    """Breaks in a long hash are only hints to the browser, and what is around them is escaped."""
    assert words.breakable("0x345678<b>") == "0x345678<wbr>&lt;b&gt;"
