"""Workspaces, users, sessions, and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping

from ...domain import enumerations
from ...domain.enumerations import Role
from ..model.people import AuditEntry, AuditFilter, OneTimeLink, Session, User, Workspace
from ..model.records import ApiKey, Environment
from ..model.sealing import environment_seal, workspace_seal
from .rows import KEY, api_key_of
from .statements import Statements

WORKSPACE = "w.id, w.name, w.created_at, w.time_zone, w.locale, w.unit, w.sharing_policy, w.seal"
USER = "u.id, u.email, u.name, u.password_hash, u.created_at, u.disabled_at"
SESSION = "token_hash, user_id, workspace_id, environment, created_at, last_seen_at"
LINK = "token_hash, purpose, user_id, created_at, expires_at"
ENTRY = "id, workspace_id, environment, at, actor, action, subject, details"


class PeopleReads(Statements):
    """Queries on workspaces, users, sessions and the audit trail."""

    def workspace(self, workspace_id: str) -> Workspace | None:
        row = self._one(f"SELECT {WORKSPACE} FROM workspace w WHERE w.id = ?", (workspace_id,))
        return self._sound(Workspace(*row)) if row else None

    def workspaces(self) -> list[Workspace]:
        rows = self._all(
            f"SELECT {WORKSPACE} FROM workspace w "
            "ORDER BY w.id NOT IN (SELECT workspace_id FROM installation), w.created_at, w.id"
        )
        return [self._sound(Workspace(*row)) for row in rows]

    def api_key(self, public_id: str) -> ApiKey | None:
        row = self._one(f"SELECT {KEY} WHERE k.public_id = ?", (public_id,))
        return api_key_of(row) if row else None

    def api_keys(self) -> list[ApiKey]:
        return [api_key_of(row) for row in self._all(f"SELECT {KEY} ORDER BY k.created_at, k.id")]

    def workspace_keys(self, workspace_id: str, environment: str | None, limit: int, offset: int) -> list[ApiKey]:
        where, values = _of_workspace(workspace_id, environment)
        rows = self._all(
            f"SELECT {KEY} WHERE {where} ORDER BY k.created_at DESC, k.id LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        return [api_key_of(row) for row in rows]

    def count_workspace_keys(self, workspace_id: str, environment: str | None) -> int:
        where, values = _of_workspace(workspace_id, environment)
        row = self._one(
            f"SELECT count(*) FROM api_key k JOIN environment e ON e.id = k.environment_id WHERE {where}", values
        )
        return int(row[0])

    def workspace_key(self, workspace_id: str, key_id: str) -> ApiKey | None:
        row = self._one(
            f"SELECT {KEY} WHERE k.id = ? AND e.workspace_id = ?", (self.dialect.plain(key_id), workspace_id)
        )
        return api_key_of(row) if row else None

    def count_locked(self, environment_id: int, period: str) -> int:
        row = self._one(
            "SELECT count(*) FROM period_head h JOIN customer c ON c.$own = h.$customer "
            "WHERE h.period = ? AND c.environment_id = ? AND h.first_recorded_at IS NOT NULL AND h.root IS NOT NULL",
            (period, environment_id),
        )
        return int(row[0])

    def has_users(self) -> bool:
        return self._one("SELECT 1 FROM user_account LIMIT 1") is not None

    def user(self, user_id: str) -> User | None:
        row = self._one(f"SELECT {USER} FROM user_account u WHERE u.id = ?", (user_id,))
        return User(*row) if row else None

    def user_by_email(self, email: str) -> User | None:
        row = self._one(f"SELECT {USER} FROM user_account u WHERE u.folded_email = ?", (email.casefold(),))
        return User(*row) if row else None

    def members(self, workspace_id: str) -> list[tuple[User, Role]]:
        rows = self._all(
            f"SELECT {USER}, m.role FROM membership m JOIN user_account u ON u.id = m.user_id "
            "WHERE m.workspace_id = ? ORDER BY u.created_at, u.id",
            (workspace_id,),
        )
        return [(User(*row[:-1]), row[-1]) for row in rows]

    def memberships(self, user_id: str) -> list[tuple[Workspace, Role]]:
        rows = self._all(
            f"SELECT {WORKSPACE}, m.role FROM membership m JOIN workspace w ON w.id = m.workspace_id "
            "WHERE m.user_id = ? ORDER BY w.created_at, w.id",
            (user_id,),
        )
        return [(self._sound(Workspace(*row[:-1])), row[-1]) for row in rows]

    def session(self, token_hash: bytes) -> Session | None:
        row = self._one(f"SELECT {SESSION} FROM session WHERE token_hash = ?", (token_hash,))
        return Session(*row) if row else None

    def one_time_link(self, token_hash: bytes) -> OneTimeLink | None:
        row = self._one(f"SELECT {LINK} FROM one_time_link WHERE token_hash = ?", (token_hash,))
        return OneTimeLink(*row) if row else None

    def audit_entries(self, workspace_id: str, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        where, values = ["workspace_id = ?"], [workspace_id]
        for condition, value in (
            ("id < ?", wanted.before),
            ("actor = ?", wanted.actor),
            ("action = ?", wanted.action),
            ("subject = ?", wanted.subject),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        rows = self._all(
            f"SELECT {ENTRY} FROM audit_entry WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?", (*values, limit)
        )
        return [AuditEntry(*row) for row in rows]


class PeopleWrites(PeopleReads):
    """Writes workspaces, users and sessions. Each change has an audit entry, which shows whether it was committed."""

    def hold_workspace(self, workspace_id: str) -> None:
        self._one("SELECT 1 FROM workspace WHERE id = ?$for_update", (workspace_id,))

    def add_workspace(self, workspace: Workspace) -> None:
        self._run(
            "INSERT INTO workspace VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            workspace.id,
            workspace.name,
            workspace.created_at,
            workspace.time_zone,
            workspace.locale,
            workspace.unit,
            workspace.sharing_policy,
            workspace_seal(self.secret, workspace),
        )

    def set_workspace(self, workspace: Workspace) -> None:
        self._run(
            "UPDATE workspace SET name = ?, time_zone = ?, locale = ?, unit = ?, sharing_policy = ?, seal = ? "
            "WHERE id = ?",
            workspace.name,
            workspace.time_zone,
            workspace.locale,
            workspace.unit,
            workspace.sharing_policy,
            workspace_seal(self.secret, workspace),
            workspace.id,
        )

    def add_environment(
        self, workspace_id: str, name: enumerations.Environment, origin: str, blinding_key: bytes
    ) -> None:
        # Two simultaneous calls take the same number: one of them fails and is retried.
        number = self._one("SELECT max(id) + 1 FROM environment")[0]
        log_id = self._one("SELECT max(id) + 1 FROM log")[0]
        seal = environment_seal(self.secret, Environment(number, workspace_id, name, log_id, origin, None))
        self._run("INSERT INTO environment VALUES (?, ?, ?, ?, NULL, ?)", number, workspace_id, name, log_id, seal)
        self._run(
            "INSERT INTO log (id, environment_id, origin, blinding_key) VALUES (?, ?, ?, ?)",
            log_id,
            number,
            origin,
            blinding_key,
        )

    def add_api_key(self, key: ApiKey) -> None:
        self._run(
            "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
            key.id,
            key.environment_id,
            key.public_id,
            key.secret_hash,
            key.name,
            ",".join(key.scopes),
            key.created_at,
        )
        self.was_written = lambda unit: unit.api_key(key.public_id) is not None

    def set_api_key(self, key: ApiKey) -> None:
        self._run(
            "UPDATE api_key SET public_id = ?, secret_hash = ?, revoked_at = ?, disabled_at = ? WHERE id = ?",
            key.public_id,
            key.secret_hash,
            key.revoked_at,
            key.disabled_at,
            key.id,
        )

    def note_key_uses(self, uses: Mapping[str, int]) -> None:
        for key_id, at in sorted(uses.items()):
            self._run(
                "UPDATE api_key SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) < ?", at, key_id, at
            )

    def add_user(self, user: User) -> None:
        self._run(
            "INSERT INTO user_account VALUES (?, ?, ?, ?, ?, ?, ?)",
            user.id,
            user.email,
            user.folded_email,
            user.name,
            user.password_hash,
            user.created_at,
            user.disabled_at,
        )

    def set_user(self, user: User) -> None:
        self._run(
            "UPDATE user_account SET name = ?, password_hash = ?, disabled_at = ? WHERE id = ?",
            user.name,
            user.password_hash,
            user.disabled_at,
            user.id,
        )

    def set_role(self, user_id: str, workspace_id: str, role: Role) -> None:
        self._run(
            "INSERT INTO membership VALUES (?, ?, ?) ON CONFLICT (workspace_id, user_id) DO UPDATE "
            "SET role = excluded.role",
            workspace_id,
            user_id,
            role,
        )

    def add_session(self, session: Session) -> None:
        self._run(
            "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)",
            session.token_hash,
            session.user_id,
            session.workspace_id,
            session.environment,
            session.created_at,
            session.last_seen_at,
        )

    def set_session(self, session: Session) -> None:
        self._run(
            "UPDATE session SET workspace_id = ?, environment = ?, last_seen_at = ? WHERE token_hash = ?",
            session.workspace_id,
            session.environment,
            session.last_seen_at,
            session.token_hash,
        )

    def end_session(self, token_hash: bytes) -> None:
        self._run("DELETE FROM session WHERE token_hash = ?", token_hash)

    def end_sessions(self, user_id: str) -> None:
        self._run("DELETE FROM session WHERE user_id = ?", user_id)

    def forget_sessions(self, seen_before: int, created_before: int) -> None:
        self._run("DELETE FROM session WHERE last_seen_at < ? OR created_at < ?", seen_before, created_before)

    def add_one_time_link(self, link: OneTimeLink) -> None:
        self._run(
            "INSERT INTO one_time_link VALUES (?, ?, ?, ?, ?)",
            link.token_hash,
            link.purpose,
            link.user_id,
            link.created_at,
            link.expires_at,
        )

    def take_one_time_link(self, token_hash: bytes) -> bool:
        return self._run("DELETE FROM one_time_link WHERE token_hash = ?", token_hash) == 1

    def forget_one_time_links(self, purpose: str, user_id: str | None) -> None:
        self._run("DELETE FROM one_time_link WHERE purpose = ? AND user_id IS NOT DISTINCT FROM ?", purpose, user_id)

    def add_audit_entry(self, entry: AuditEntry) -> None:
        self._run(
            "INSERT INTO audit_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            entry.id,
            entry.workspace_id,
            entry.environment,
            entry.at,
            entry.actor,
            entry.action,
            entry.subject,
            entry.details,
        )
        self.was_written = lambda unit: bool(
            unit._all("SELECT 1 FROM audit_entry WHERE workspace_id = ? AND id = ?", (entry.workspace_id, entry.id))
        )


def _of_workspace(workspace_id: str, environment: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition on the API keys of a workspace or environment."""
    if environment is None:
        return "e.workspace_id = ?", (workspace_id,)
    return "e.workspace_id = ? AND e.name = ?", (workspace_id, environment)
