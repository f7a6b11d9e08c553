"""Users, sessions, links and the audit trail, on both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from testkit.inside.book import SANDBOX, Book
from testkit.inside.engines import BOTH
from testkit.inside.running import in_context

from pacspace_server.clock import now_us
from pacspace_server.http.refusals import status_of
from pacspace_server.service.base import audit
from pacspace_server.service.base.context import Caller, Context
from pacspace_server.service.base.errors import ServiceError
from pacspace_server.service.people import keys, people, sessions
from pacspace_server.service.people.workspaces import add_workspace, change_workspace
from pacspace_server.service.proving.fsck import fsck
from pacspace_server.storage.model.commands import Locked, LockPeriod
from pacspace_server.storage.model.people import AuditFilter, User
from pacspace_server.storage.model.protocols import Snapshot, Unit
from pacspace_server.storage.model.records import ApiKey, Profile
from pacspace_server.storage.model.surveys import CustomerList
from pacspace_server.storage.writing.locking import lock_period

pytestmark = BOTH
T = TypeVar("T")
HASH = "$argon2id$no-password"


def own(book: Book) -> Caller:
    return people.command_caller(book.workspace)


def member(book: Book, email: str, role: str = "owner", caller: Caller | None = None) -> User:
    asked = people.NewUser(email, "", role, HASH)
    return book.storage.write(lambda unit: people.add_member(unit, caller or own(book), asked))


def logged_in(book: Book, user: User) -> str:
    return book.storage.write(lambda unit: sessions.begin(unit, user))[0]


def look(book: Book, work: Callable[[Snapshot], T]) -> T:
    with book.storage.snapshot() as snapshot:
        return work(snapshot)


def refusal(book: Book, work: Callable[[Unit], Any]) -> tuple[int, str | None]:
    with pytest.raises(ServiceError) as raised:
        book.storage.write(work)
    return status_of(raised.value), raised.value.code


def trail(book: Book, **wanted: str) -> list[tuple[str, str]]:
    found = look(book, lambda s: audit.list_audit(s, book.workspace, 100, AuditFilter(**wanted)))
    return [(entry["action"], entry["subject"]) for entry in found["entries"]]


def test_a_workspace_comes_with_the_record(book: Book) -> None:
    """A new record has one workspace, the one of its two environments, and nobody in it."""
    (workspace,) = look(book, lambda s: s.workspaces())
    assert workspace == look(book, lambda s: s.workspace(book.workspace))
    assert {e.workspace_id for e in look(book, lambda s: s.environments())} == {workspace.id}
    assert not look(book, lambda s: s.has_users())


def test_a_session_that_ended_meanwhile_prefers_nothing(book: Book) -> None:
    """Who logs out in the instant in which another window switches the environment is told so there: log in again."""
    user = member(book, "ada@example.com")
    _, actor = book.storage.write(lambda unit: sessions.begin(unit, user))

    async def story(context: Context) -> None:
        await sessions.log_out(context, actor)
        await sessions.prefer(context, actor, "production", None)

    with pytest.raises(ServiceError) as raised:
        in_context(book, story)
    assert (status_of(raised.value), raised.value.code) == (401, "INVALID_API_KEY")


def test_an_email_is_one_user_in_any_case(book: Book) -> None:
    """Nobody else gets an e-mail that somebody has, however it is written, and log-in finds it in any case."""
    user = member(book, "Ada@Example.com")
    assert refusal(
        book, lambda unit: people.add_member(unit, own(book), people.NewUser("ADA@example.COM", "", "viewer", None))
    ) == (409, "EMAIL_TAKEN")
    assert look(book, lambda s: s.user_by_email("aDA@example.com")) == user
    assert look(book, lambda s: s.members(book.workspace)) == [(user, "owner")]


def test_a_session_speaks_for_its_user(book: Book) -> None:
    """The token names user, workspace, role and environment; a role that changes counts at once; another token is nobody's."""
    user = member(book, "ada@example.com")
    member(book, "grace@example.com")
    token = logged_in(book, user)
    actor = look(book, lambda s: sessions.find_actor(s, token))
    assert actor is not None
    assert (actor.email, actor.workspace_id, actor.role, actor.environment) == (
        "ada@example.com", book.workspace, "owner", "sandbox",
    )  # fmt: skip
    assert actor.caller.actor == "user:ada@example.com" and actor.caller.environment_id == actor.environment_id
    book.storage.write(lambda unit: people.change_role(unit, own(book), user.id, "viewer"))
    now = look(book, lambda s: sessions.find_actor(s, token, "production"))
    assert now is not None and (now.role, now.environment, now.caller.scopes) == ("viewer", "production", ("read",))
    assert now.environment_id != actor.environment_id
    for other in (None, "", "pss_", token[:-1], token + "A", token.upper(), token.removeprefix("pss_")):
        assert look(book, lambda s, other=other: sessions.find_actor(s, other)) is None


@pytest.mark.parametrize(
    ("created", "seen", "lives"),
    [
        (0, 0, True), (sessions.IDLE_US - 60_000_000, sessions.IDLE_US - 60_000_000, True),
        (sessions.IDLE_US, sessions.IDLE_US, False), (sessions.LONGEST_US - 60_000_000, 0, True), (sessions.LONGEST_US, 0, False),
    ],
)  # fmt: skip
def test_a_session_ends_by_itself(book: Book, created: int, seen: int, lives: bool) -> None:
    """12 hours after it was last seen, 30 days after it began."""
    token = logged_in(book, member(book, "ada@example.com"))
    now = now_us()

    def age(unit: Unit) -> None:
        session = unit.session(people.token_hash(token))
        assert session is not None
        unit.end_session(session.token_hash)
        session.created_at, session.last_seen_at = now - created, now - seen
        unit.add_session(session)

    book.storage.write(age)
    assert (look(book, lambda s: sessions.find_actor(s, token)) is not None) == lives
    logged_in(book, look(book, lambda s: s.members(book.workspace))[0][0])
    assert (look(book, lambda s: s.session(people.token_hash(token))) is not None) == lives, "the next log-in tidies up"


def test_a_new_log_in_replaces_the_browsers_session(book: Book) -> None:
    """The token is another one than the browser had before, and the one before is good for nothing any more."""
    user = member(book, "ada@example.com")
    old = logged_in(book, user)
    new, _ = book.storage.write(lambda unit: sessions.begin(unit, user, old))
    assert new != old
    assert look(book, lambda s: sessions.find_actor(s, old)) is None
    assert look(book, lambda s: sessions.find_actor(s, new)) is not None


def test_another_password_ends_all_sessions(book: Book) -> None:
    """Of that user; others stay logged in."""
    ada, grace = member(book, "ada@example.com"), member(book, "grace@example.com")
    mine, other = [logged_in(book, ada) for _ in range(2)], logged_in(book, grace)
    book.storage.write(lambda unit: people.set_password(unit, own(book), ada, "$argon2id$another"))
    assert [look(book, lambda s, t=token: sessions.find_actor(s, t)) for token in mine] == [None, None]
    assert look(book, lambda s: sessions.find_actor(s, other)) is not None


def test_a_disabled_user_is_out_at_once(book: Book) -> None:
    """The sessions end; when the user is enabled again they don't come back."""
    ada, grace = member(book, "ada@example.com"), member(book, "grace@example.com")
    token = logged_in(book, grace)
    book.storage.write(lambda unit: people.set_disabled(unit, own(book), grace.id, True))
    assert look(book, lambda s: sessions.find_actor(s, token)) is None
    book.storage.write(lambda unit: people.set_disabled(unit, own(book), grace.id, False))
    assert look(book, lambda s: sessions.find_actor(s, token)) is None
    assert trail(book, subject=grace.id)[:2] == [("user.enable", grace.id), ("user.disable", grace.id)]
    assert ada.disabled_at is None


def test_the_last_owner_stays(book: Book) -> None:
    """Whoever would leave a workspace without an owner who can log in is refused, also by two at once."""
    ada, grace = member(book, "ada@example.com"), member(book, "grace@example.com", "admin")
    invited = people.NewUser("invited@example.com", "", "owner", None)
    book.storage.write(lambda unit: people.add_member(unit, own(book), invited))
    for work in (
        lambda unit: people.change_role(unit, own(book), ada.id, "admin"),
        lambda unit: people.set_disabled(unit, own(book), ada.id, True),
    ):
        assert refusal(book, work) == (409, "LAST_OWNER")
    book.storage.write(lambda unit: people.change_role(unit, own(book), grace.id, "owner"))

    def resign(user: User) -> bool:
        try:
            book.storage.write(lambda unit: people.change_role(unit, own(book), user.id, "viewer"))
        except ServiceError as error:
            return error.code != "LAST_OWNER"
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(resign, (ada, grace))) == [False, True]


def test_a_user_of_another_workspace_is_none(book: Book) -> None:
    """Nobody changes the users of a workspace but its own."""
    ada = member(book, "ada@example.com")
    other = book.storage.write(lambda unit: add_workspace(unit, book.signer, "Other"))
    member(book, "grace@example.com")
    foreign = people.command_caller(other.id)
    for work in (
        lambda unit: people.change_role(unit, foreign, ada.id, "viewer"),
        lambda unit: people.set_disabled(unit, foreign, ada.id, True),
    ):
        assert refusal(book, work) == (404, "NOT_FOUND")
    assert trail(book, action="user.role") == []


def test_a_link_is_good_once(book: Book) -> None:
    """The first owner is made by the newest set-up link, once, and not when there is a user already."""
    asked = people.NewUser("ada@example.com", "Ada", "viewer", HASH)
    old = book.storage.write(lambda unit: people.make_link(unit, "setup", None))
    token = book.storage.write(lambda unit: people.make_link(unit, "setup", None))
    for wrong in (old, token + "A", ""):
        assert refusal(book, lambda unit, t=wrong: people.first_owner(unit, t, asked)) == (404, "NOT_FOUND")
    user = book.storage.write(lambda unit: people.first_owner(unit, token, asked))
    assert look(book, lambda s: s.members(book.workspace)) == [(user, "owner")]
    assert refusal(book, lambda unit: people.first_owner(unit, token, asked)) == (404, "NOT_FOUND")
    late = book.storage.write(lambda unit: people.make_link(unit, "setup", None))
    assert refusal(book, lambda unit: people.first_owner(unit, late, asked)) == (404, "NOT_FOUND")


def test_a_password_link_is_its_users(book: Book) -> None:
    """It sets the password of the user it was made for; it is no set-up link, and not good after any other change."""
    ada = member(book, "ada@example.com")
    token = book.storage.write(lambda unit: people.make_link(unit, "password", ada.id))
    asked = people.NewUser("eve@example.com", "", "owner", HASH)
    assert refusal(book, lambda unit: people.first_owner(unit, token, asked)) == (404, "NOT_FOUND")
    changed = book.storage.write(lambda unit: people.password_by_link(unit, token, "$argon2id$new"))
    assert (changed.id, changed.password_hash) == (ada.id, "$argon2id$new")
    assert refusal(book, lambda unit: people.password_by_link(unit, token, HASH)) == (404, "NOT_FOUND")
    token = book.storage.write(lambda unit: people.make_link(unit, "password", ada.id))
    book.storage.write(lambda unit: people.set_password(unit, own(book), ada, HASH))
    assert refusal(book, lambda unit: people.password_by_link(unit, token, HASH)) == (404, "NOT_FOUND")


def test_the_audit_trail_is_read_page_by_page(book: Book) -> None:
    """Newest first, each entry once, of one workspace, filtered by who, what and whom."""
    for number in range(7):
        member(book, f"user{number}@example.com")
    seen: list[str] = []
    cursor = None
    while True:
        wanted = AuditFilter(before=cursor, action="user.create")
        page = look(book, lambda s, w=wanted: audit.list_audit(s, book.workspace, 3, w))
        seen += [entry["details"]["email"] for entry in page["entries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == [f"user{number}@example.com" for number in reversed(range(7))]
    assert trail(book, actor="user:nobody") == []
    assert look(book, lambda s: audit.list_audit(s, "wsp_other", 10, AuditFilter()))["entries"] == []


def test_the_audit_trail_is_only_ever_added_to(book: Book) -> None:
    """Neither engine lets the server change or remove an entry."""
    member(book, "ada@example.com")
    for statement in ("UPDATE audit_entry SET actor = 'me'", "DELETE FROM audit_entry"):
        if hasattr(book, "path") and book.path.exists():
            with closing(sqlite3.connect(book.path)) as connection:
                with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
                    connection.execute(statement)
        else:
            with psycopg.connect(book.engine.url) as connection:  # type: ignore[attr-defined]
                connection.execute("SET search_path = pacspace")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    assert len(trail(book)) == 1


def test_nothing_secret_is_stored(book: Book, tmp_path: Path) -> None:
    """Of sessions and links the record has hashes only."""
    ada = member(book, "ada@example.com")
    tokens = [logged_in(book, ada), book.storage.write(lambda unit: people.make_link(unit, "password", ada.id))]
    rows = [
        str(book.engine.sql(f"SELECT * FROM {table}"))
        for table in ("session", "one_time_link", "audit_entry", "user_account")
    ]
    for token in tokens:
        assert all(token not in row for row in rows)


def made_key(book: Book, name: str, environment: str = "sandbox", caller: Caller | None = None) -> tuple[ApiKey, str]:
    return book.storage.write(lambda unit: keys.add_key(unit, caller or own(book), environment, name, ("read",)))


def test_keys_are_listed_page_by_page(book: Book) -> None:
    """Newest first, each once, those of the workspace only; a key that asks sees those of its own environment."""
    other = book.storage.write(lambda unit: add_workspace(unit, book.signer, "Other"))
    made_key(book, "foreign", "sandbox", people.command_caller(other.id))
    for number in range(5):
        made_key(book, f"k{number}", "production" if number % 2 else "sandbox")
    pages = [look(book, lambda s, page=page: keys.list_keys(s, own(book), page, 2)) for page in (1, 2, 3)]
    assert [item["name"] for page in pages for item in page["items"]] == ["k4", "k3", "k2", "k1", "k0"]
    assert (pages[0]["total"], pages[0]["totalPages"]) == (5, 3)
    asking = Caller(SANDBOX, "sandbox", book.workspace, ("admin",), "key:key_x")
    seen = look(book, lambda s: keys.list_keys(s, asking, 1, 10))
    assert [item["name"] for item in seen["items"]] == ["k4", "k2", "k0"] and seen["total"] == 3


def test_a_key_changes_and_is_recognised_accordingly(book: Book) -> None:
    """Rotated, switched off, on, and revoked: the full key that is good is always the last one that was shown."""
    key, first = made_key(book, "mine")

    def good(full: str) -> bool:
        try:
            return look(book, lambda s: keys.authenticate(s, full)).actor == f"key:{key.id}"
        except ServiceError as error:
            assert error.code == "INVALID_API_KEY"
            return False

    assert good(first)
    _, second = book.storage.write(lambda unit: keys.rotate_key(unit, own(book), key.id))
    assert good(second) and not good(first)
    book.storage.write(lambda unit: keys.switch_key(unit, own(book), key.id, None))
    assert not good(second)
    book.storage.write(lambda unit: keys.switch_key(unit, own(book), key.id, True))
    assert good(second)
    book.storage.write(lambda unit: keys.revoke_key(unit, own(book), key.id))
    assert not good(second)
    assert refusal(book, lambda unit: keys.switch_key(unit, own(book), key.id, True)) == (404, "NOT_FOUND")
    stranger = people.command_caller("wsp_other")
    assert refusal(book, lambda unit: keys.revoke_key(unit, stranger, key.id)) == (
        404, "NOT_FOUND",
    )  # fmt: skip


def test_the_last_use_of_a_key_only_moves_on(book: Book) -> None:
    """What another process noted later is not taken back."""
    key, _ = made_key(book, "mine")
    for at in (10, 30, 20):
        book.storage.write(lambda unit, at=at: unit.note_key_uses({key.id: at, "key_gone": at}))
    found = look(book, lambda s: s.workspace_key(book.workspace, key.id))
    assert found is not None and found.last_used_at == 30


def test_customers_are_put_in_order_of_their_names(book: Book) -> None:
    """By display name in any case, else by customerId; searched in both; of one environment; page by page."""
    book.emit("Zeta", -1)
    for customer, name in (("c1", "Émile"), ("c2", "beta"), ("c3", "Alpha"), ("c4", None)):
        book.emit(customer, -1)
        if name is not None:
            found = look(book, lambda s, customer=customer: s.customer(SANDBOX, book.shard(customer)))
            assert found is not None
            book.storage.write(lambda unit, f=found, name=name: unit.add_profile(Profile(f.id, name)))

    def named(search: str | None = None, limit: int = 10, offset: int = 0, side: int = SANDBOX) -> list[str]:
        wanted = CustomerList(side, search, "name", (), limit, offset)
        return [row.customer.customer_id for row in look(book, lambda s: s.customer_rows(wanted, "", "~"))]

    assert named() == ["c3", "c2", "c4", "Zeta", "c1"]
    assert named(limit=2, offset=1) == ["c2", "c4"]
    assert named("ÉMI") == ["c1"] and named("ZET") == ["Zeta"] and named("%") == named("non") == []
    assert named(side=SANDBOX + 1) == []


def test_locked_months_are_counted(story: Book) -> None:
    """How many customers have a month locked that holds something, month by month."""
    counted = {m: look(story, lambda s, m=m: s.count_locked(SANDBOX, m)) for m in ("2026-01", "2026-02", "2026-03")}
    assert counted == {"2026-01": 1, "2026-02": 1, "2026-03": 0}
    assert look(story, lambda s: s.count_locked(SANDBOX + 1, "2026-01")) == 0


def test_a_lock_is_noted_with_whoever_asked(book: Book) -> None:
    """In the lock's own transaction, once, with every month that it locked; the same lock again is nothing new."""
    book.at("2026-03-01T00:00:00Z")
    book.emit("cust", -1, occurred_at="2026-01-10T00:00:00Z")
    book.emit("cust", -1, occurred_at="2026-02-10T00:00:00Z")
    command = LockPeriod(SANDBOX, book.shard("cust"), "cust", "2026-02", None, None, b"b", "user:ada@example.com")
    for _ in range(2):
        locked = book.storage.write(lambda unit: lock_period(unit, command))
    assert isinstance(locked, Locked)
    page = look(book, lambda s: audit.list_audit(s, book.workspace, 10, AuditFilter()))
    (entry,) = page["entries"]
    assert (entry["actor"], entry["action"], entry["subject"]) == (
        "user:ada@example.com", "period.lock", locked.checkpoint.checkpoint_id,
    )  # fmt: skip
    assert entry["details"] == {"customerId": "cust", "periods": ["2026-01", "2026-02"]}


def test_a_workspace_is_changed(book: Book) -> None:
    """Setting by setting; what is not named stays, and another workspace stays as it is."""
    other = book.storage.write(lambda unit: add_workspace(unit, book.signer, "Other"))
    before = look(book, lambda s: s.workspace(book.workspace))
    book.storage.write(lambda unit: change_workspace(unit, own(book), {"time_zone": "Asia/Tokyo", "unit": "calls"}))
    after = look(book, lambda s: s.workspace(book.workspace))
    assert before is not None and after == replace(before, time_zone="Asia/Tokyo", unit="calls")
    assert look(book, lambda s: s.workspace(other.id)) == other
    assert [one.id for one in look(book, lambda s: s.workspaces())] == [book.workspace, other.id]


def test_workspaces_that_are_made_at_once_are_apart(book: Book) -> None:
    """Each gets two environments and two logs of its own, whoever else makes one at the same instant."""
    with ThreadPoolExecutor(3) as pool:
        made = list(
            pool.map(lambda n: book.storage.write(lambda unit: add_workspace(unit, book.signer, n)), ("a", "b", "c"))
        )
    environments = look(book, lambda s: s.environments())
    assert len({e.id for e in environments}) == len({e.log_id for e in environments}) == len(environments) == 8
    for workspace in made:
        assert [e.name for e in environments if e.workspace_id == workspace.id] == ["sandbox", "production"]
    assert fsck(book.storage, book.signer).problems == []
