"""The pages behind a customer's link, as a browser without a script gets them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import count
from pathlib import Path

import pytest
from testkit.portal import Reader, Vendor
from testkit.server import Server

ROOT = Path(__file__).parents[1]
PAGES = ("", "/activity", "/periods", "/compare", "/notes")
# Words that judge, or that say more than that something was recorded.
FORBIDDEN = re.compile(
    r"\bus(?:ed|age)\b|consum|deduct|\breduced\b|\bcharged?\b|\bexpected\b|\brisk|\bscore|\brank|\bhealth|anomal|normal usage|"
    r"\bincorrect\b|\bcorrect\b|neutral truth|PacSpace (?:has )?(?:measur|meter|calculat)|\bmetered\b|fraud|\bblame|transaction",
    re.I,
)
LABELS = (
    "Recorded this period", "minutes recorded", "Deltas this month", "Recorded by Initech", "Verified through", "Proof available",
    "Written by Initech, visible to both, owned by neither", "check it independently",
)  # fmt: skip
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{9*"q"}}\u202e'
_names = count(1)


def text_of(page: str) -> str:
    """What a reader sees: no tags, no entities, single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


class Tags(HTMLParser):
    """The elements and attributes that a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.sources: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.sources |= {value or "" for name, value in attrs if name == "src"}


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    server = Server(tmp_path_factory.mktemp("pages")).start("--sandbox-clock", "2026-02-10T12:00:00Z")
    made = Vendor(server, server.new_key("test", "--scopes", "admin"))
    made.call("POST", "/dashboard/sharing", {"vendorName": "Initech"}).data
    yield made
    server.close()


@pytest.fixture
def customer(vendor: Vendor) -> str:
    """A customer with a locked month and a running one."""
    name = f"cust_page_{next(_names)}"
    body = {"customerId": name, "displayName": "Globex Corporation", "unitLabel": "minutes"}
    vendor.call("POST", "/dashboard/customers", body).data
    client = vendor.server.client
    client.emit(name, -1234.5, "compute", referenceId="jan-1", occurredAt="2026-01-05T00:00:00Z").data
    client.emit(name, -40, "compute", referenceId="feb-1", metadata={"region": "eu"}).data
    client.checkpoint(name, period="2026-01").data
    client.receipt(name).data
    return name


@pytest.fixture
def reader(vendor: Vendor, customer: str) -> Reader:
    return Reader(vendor.server, vendor.link(customer)["customerHandle"])


def test_the_link_on_a_receipt_opens_its_month(vendor: Vendor, customer: str, reader: Reader) -> None:
    """verifyUrl shows the month's exact total and how many records, without the code; single records are not there."""
    receipt = vendor.server.client.receipt(customer, period="2026-01").data
    page = reader.send("GET", receipt["verifyUrl"].removeprefix(vendor.server.url))
    shown = text_of(page.body.decode())
    assert page.status == 200 and '<data value="-1234.5">\u22121,234.5</data>' in page.body.decode()
    assert "January 2026" in shown and "locked" in shown and "Proof availablefor 1 of 1" in shown
    for hidden in ("jan-1", "compute", "Globex", receipt["proofRoot"], receipt["receiptId"], customer):
        assert hidden not in page.body.decode()


def test_the_form_lets_in_and_leads_on(vendor: Vendor, customer: str, reader: Reader) -> None:
    """A wrong code says so on the page; the right one leads to where the reader was going, and stays for later."""
    gate = reader.open("/activity", period="2026-02")
    assert gate.status == 200 and "Enter the access code" in text_of(gate.body.decode())
    assert 'name="place" value="/activity"' in gate.body.decode() and "feb-1" not in gate.body.decode()
    wrong = reader.fill_in("access", code="222222", place="/activity", period="2026-02")
    assert wrong.status == 403 and "not the code of this link" in text_of(wrong.body.decode())
    right = reader.fill_in(
        "access", code=vendor.link(customer)["accessHint"].lower(), place="/activity", period="2026-02"
    )
    assert (right.status, right.headers["location"]) == (303, f"{reader.page}/activity?period=2026-02")
    for page in PAGES:
        assert reader.open(page).status == 200
    assert "feb-1" in reader.open("/activity").body.decode()
    for elsewhere in ("//evil.example", "/../../dashboard", "https://evil.example", "\r\nX: y"):
        led = reader.fill_in("access", code=vendor.link(customer)["accessHint"], place=elsewhere)
        assert led.headers["location"] == reader.page and "x" not in led.headers


def test_five_wrong_codes_show_a_shut_door(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The page says how long the door stays shut, and takes not even the right code until then."""
    reader.address = "127.0.0.77"
    for _ in range(5):
        assert reader.fill_in("access", code="222222").status == 403
    shut = reader.fill_in("access", code=vendor.link(customer)["accessHint"])
    assert shut.status == 429 and "try again in" in text_of(shut.body.decode())


def test_a_gated_record_shows_nothing_at_all(vendor: Vendor, customer: str, reader: Reader) -> None:
    """Without the code a gated link tells the vendor's name and no month, amount, unit or customer."""
    vendor.change(customer, "sharing", {"sharingStateHint": "GATED"})
    for page in PAGES:
        body = reader.open(page).body.decode()
        assert "Initech" in body and "Enter the access code" in text_of(body)
        for hidden in ("minutes recorded", "1,234.5", "2026-01", "Globex", "January"):
            assert hidden not in body
    for form in ("notes", "compare"):
        assert reader.fill_in(form, text="x", lines="a,1").headers["location"] == f"{reader.page}/{form}"
    assert reader.open("/export", format="csv").headers["content-type"].startswith("text/html")


def test_an_unknown_link_says_what_to_do(vendor: Vendor, reader: Reader) -> None:
    """A replaced link is a page that names no record and says whom to ask."""
    reader.handle = reader.handle[:-4] + ("0000" if reader.handle[-4:] != "0000" else "1111")
    for page in PAGES:
        answer = reader.open(page)
        assert answer.status == 404 and "This link doesn’t work" in text_of(answer.body.decode())


def test_required_labels_and_no_word_that_judges(vendor: Vendor, customer: str, reader: Reader) -> None:
    """Each page says the sandbox loudly, by whom it is written, and nothing beyond that something was recorded."""
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    landing = text_of(reader.open().body.decode())
    assert [label for label in LABELS if label not in landing] == []
    reader.fill_in("notes", text="Please look at feb-1.", period="2026-02")
    bodies = [reader.open(page).body.decode() for page in PAGES]
    bodies.append(
        reader.fill_in("compare", lines="referenceId,delta\nfeb-1,-41\nx,1\nx,1", period="2026-02").body.decode()
    )
    for body in bodies:
        assert "SANDBOX a test, not a bill" in text_of(body)
        assert "visible to both, owned by neither" in text_of(body)
        assert (found := FORBIDDEN.search(text_of(body))) is None, found


def test_no_template_for_customers_has_a_word_that_judges() -> None:
    """Also what is rarely shown keeps to the words."""
    folder = ROOT / "server/src/pacspace_server/web/templates"
    templates = [*folder.glob("shared/*.html"), *(folder / f"{name}.html" for name in ("proof", "delta", "unknown"))]
    assert len(templates) > 9
    for template in templates:
        prose = re.sub(r"{%.*?%}|{{.*?}}", " ", template.read_text("utf-8"), flags=re.S)
        assert (found := FORBIDDEN.search(text_of(prose))) is None, (template.name, found)


def test_whatever_somebody_wrote_is_shown_as_text(start_server: Callable[..., Server]) -> None:
    """Markup, templates and invisible characters in any field of the vendor's or the customer's do nothing."""
    server = start_server("--sandbox-clock", "2026-02-10T12:00:00Z")
    vendor = Vendor(server, server.new_key("test", "--scopes", "admin"))
    vendor.call("POST", "/dashboard/sharing", {"vendorName": EVIL, "policy": "OPEN"}).data
    body = {"customerId": "cust_evil", "displayName": EVIL, "unitLabel": EVIL[:40]}
    vendor.call("POST", "/dashboard/customers", body).data
    client = server.client
    client.emit("cust_evil", -1, EVIL, referenceId=EVIL, metadata={EVIL: EVIL}).data
    client.emit("cust_evil", -1, EVIL, referenceId="old", occurredAt="2026-01-05T00:00:00Z").data
    client.checkpoint("cust_evil", period="2026-01", invoiceReference=EVIL).data
    reader = Reader(server, vendor.link("cust_evil")["customerHandle"])
    reader.fill_in("notes", text=EVIL, name=EVIL)
    vendor.call("POST", "/dashboard/customers/cust_evil/notes", {"text": EVIL, "name": EVIL}).data
    lines = f'referenceId,delta\n"{EVIL.replace(chr(34), chr(34) * 2)} not recorded",1'
    answers = [reader.open(page) for page in (*PAGES, "/activity?reference=" + "%22%3E%3Cscript%3E")]
    answers += [reader.fill_in("compare", lines=lines), reader.fill_in("compare", lines=f"{EVIL},{EVIL}", total=EVIL)]
    answers += [reader.fill_in("notes", text="x", record=EVIL), reader.fill_in("notes", text="x", period=EVIL)]
    answers.append(reader.fill_in("access", code=EVIL, place=EVIL))
    seen = 0
    for answer in answers:
        body = answer.body.decode()
        tags = Tags(body)
        assert {"script", "style", "iframe", "object"}.isdisjoint(tags.names)
        assert not [name for name in tags.attributes if name.startswith("on")]
        assert all(source.startswith("/static/") for source in tags.sources)
        shown = re.sub(
            '<textarea.*?</textarea>| value="[^"]*"', "", body, flags=re.S
        )  # the reader's own text stays as it is
        assert "\u202e" not in shown and "q" * 9 not in body
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script" not in policy and "unsafe" not in policy
        seen += "&lt;script&gt;alert(1)" in body
    assert seen >= 6


def test_pages_have_no_script_style_or_foreign_address(vendor: Vendor, customer: str, reader: Reader) -> None:
    """No inline style, no script, nothing loaded from elsewhere; forms go to this server only; nothing is cached."""
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    for page in PAGES:
        answer = reader.open(page)
        body = answer.body.decode()
        assert not re.search(r"<script|<style|\sstyle=|javascript:", body)
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', body):
            assert address.startswith(("/", "#", "?", vendor.server.url)), address
        assert "form-action 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store" and answer.headers["referrer-policy"] == "no-referrer"
        assert 'lang="en"' in body and 'name="viewport"' in body and "Skip to the content" in body
        assert len(re.findall("<h1", body)) == 1
        assert body.count("<label") >= len(re.findall(r"<(?:select|textarea)|<input(?! type=.hidden)", body))


def test_each_locked_month_says_how_to_check_it_alone(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The page of months has root, files, commands and the key's fingerprint of each locked month."""
    receipt = vendor.server.client.receipt(customer, period="2026-01").data
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    body = reader.open("/periods").body.decode()
    shown = text_of(body)
    for there in (
        receipt["proofRoot"],
        receipt["keyFingerprint"],
        receipt["verification"]["verifierKey"],
        "pacspace_proofs",
    ):
        assert there in shown
    links = set(re.findall(r'href="([^"]+)"', body))
    base, chk = vendor.server.url, receipt["receiptId"]
    wanted = {f"{base}/receipt/{chk}", *(f"{base}/receipts/{chk}.{kind}" for kind in ("json", "csv", "pdf"))}
    assert wanted <= links and f"{base}/verify/{receipt['proofRoot']}" in links


def test_records_are_paged_and_found(vendor: Vendor, customer: str, reader: Reader) -> None:
    """Following Older deltas shows each record once; a reference finds its own."""
    vendor.server.client.batch(
        [{"customerId": customer, "delta": n, "reason": "more", "referenceId": f"ref-{n:03}"} for n in range(1, 121)]
    ).data
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    found: list[str] = []
    query = ""
    while True:
        body = reader.send("GET", f"{reader.page}/activity{query}").body.decode()
        found += re.findall(r'class="ref">([^<]+)<', body)
        older = re.search(r'/activity(\?[^"]+)" rel="next"', body)
        if older is None:
            break
        query = html.unescape(older[1])
    assert found == [f"ref-{n:03}" for n in range(120, 0, -1)] + ["feb-1", "jan-1"]
    one = reader.open("/activity", reference="ref-007").body.decode()
    assert re.findall(r'class="ref">([^<]+)<', one) == ["ref-007"]
    assert reader.open("/activity", before="x").status == 400


def test_a_list_is_compared_from_a_file(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The form's file is read as the text is, and what differs is named with its line; what can't be read is, too."""
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})

    def upload(content: str) -> str:
        parts = {"period": "2026-02", "lines": "", "total": "", 'file"; filename="mine.csv': content}
        body = (
            "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts.items())
            + "--b--\r\n"
        )
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        return text_of(reader.send("POST", f"{reader.page}/compare", body.encode(), kind).body.decode())

    assert "Both match" in upload("referenceId,delta\nfeb-1,-40\n")
    differs = upload("Amount;Reference\n-41,5;feb-1\n7;feb-9\n")
    assert "They differ" in differs and "feb-1\u221240\u221241.5\u22121.52" in differs and "feb-973" in differs
    assert "line 3 the amount 'many' is not a number" in upload("referenceId,delta\nfeb-1,-40\nfeb-2,many\n")
    assert "paste a list" in upload("")


def test_a_form_of_another_site_is_refused(vendor: Vendor, customer: str, reader: Reader) -> None:
    """Whatever a foreign page makes a browser send leaves no note."""
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}
    assert reader.send("POST", f"{reader.page}/notes", b"text=hello", headers).status == 403
    assert reader.get("notes").data["notes"] == []
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=x", ""):
        assert reader.send("POST", f"{reader.page}/notes", b"text=hello", {"Content-Type": kind}).status == 400


def test_files_come_from_the_page(vendor: Vendor, customer: str, reader: Reader) -> None:
    """The links under Export answer files whose names say SANDBOX."""
    vendor.change(customer, "sharing", {"sharingStateHint": "OPEN"})
    for link in re.findall(r'href="([^"]+/export[^"]+)"', reader.open("/periods").body.decode()):
        file = reader.send("GET", html.unescape(link))
        assert file.status == 200 and 'filename="SANDBOX-record-all.' in file.headers["content-disposition"]
    assert reader.open("/export", format="xlsx").status == 400
