-- What the application's role may do: read everything, add to the record, and change only what is mutable. Given anew at
-- each migration; {role} is the role.
GRANT USAGE ON SCHEMA pacspace TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA pacspace TO {role};
GRANT INSERT ON workspace, environment, user_account, membership, audit_entry, api_key, lease, log, log_entry, log_node, closed_slot, log_checkpoint, customer, leaf, period_head,
    integrated_head, changed_head, day_total, delta, retention, checkpoint, proof_root, idempotency, profile, job, job_key, job_failure
    TO {role};
GRANT UPDATE (log_id, clock_at, seal) ON environment TO {role};
GRANT UPDATE (public_id, secret_hash, revoked_at, disabled_at, last_used_at) ON api_key TO {role};
GRANT UPDATE (name, time_zone, locale, unit, sharing_policy, seal) ON workspace TO {role};
GRANT UPDATE (name, password_hash, disabled_at) ON user_account TO {role};
GRANT UPDATE (role) ON membership TO {role};
GRANT INSERT, UPDATE, DELETE ON session, one_time_link TO {role};
GRANT UPDATE (holder, fencing, beat) ON lease TO {role};
GRANT UPDATE (size, published_size, verifier_key, seal) ON log TO {role};
GRANT UPDATE (last_sequence, total, last_recorded_at, locked_through, locked_root, locked_total, locked_count,
    last_checkpoint, seal) ON customer TO {role};
GRANT UPDATE (size, peaks, spine, merged, total, root, first_recorded_at, last_recorded_at,
    state_seal) ON period_head TO {role};
GRANT UPDATE (frozen, integrated_size, integrated_root, integrated_peaks, integrated_total, entry_index, batch_index,
    batch_size, previous_size, seal) ON integrated_head TO {role};
GRANT UPDATE (total, count, first_sequence, last_sequence, seal) ON day_total TO {role};
-- No leaf contains these two, so that they can be erased.
GRANT UPDATE (context, salt) ON delta TO {role};
GRANT UPDATE (through) ON retention TO {role};
GRANT UPDATE (status, total, done, failed, after, delta_count, net_change, finished_at) ON job TO {role};
GRANT DELETE ON changed_head, profile TO {role};
GRANT INSERT, UPDATE, DELETE ON lockout TO {role};
GRANT INSERT ON link, note, visit TO {role};
GRANT UPDATE (nonce, version, policy, seal) ON link TO {role};
GRANT UPDATE (last_at, times) ON visit TO {role};
-- To erase them: what people said, and who looked.
GRANT UPDATE (text, author) ON note TO {role};
GRANT DELETE ON visit TO {role};
GRANT EXECUTE ON FUNCTION empty_sandbox(bigint) TO {role};
GRANT INSERT, UPDATE, DELETE ON endpoint, feed, outbox, delivery, sender TO {role};
