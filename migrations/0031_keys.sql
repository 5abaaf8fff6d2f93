-- Keys with a rate limit and a successor, and the log of what was done to keys.

ALTER TABLE api_keys
    ADD rate_limit_per_second integer CHECK (rate_limit_per_second > 0),
    ADD replaces bigint REFERENCES api_keys (id);

COMMENT ON COLUMN api_keys.rate_limit_per_second IS 'requests per second; null for the limit of all';
COMMENT ON COLUMN api_keys.replaces IS 'the key that this one was made to take over from';

CREATE TABLE key_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_id  bigint NOT NULL,
    action  text NOT NULL CHECK (action IN ('create', 'change', 'revoke', 'delete')),
    actor   text NOT NULL,
    changes jsonb NOT NULL
);

CREATE INDEX key_log_by_key ON key_log (key_id, id);

COMMENT ON TABLE key_log IS 'every write to api_keys but that of last_used_at; only the trigger writes it';
COMMENT ON COLUMN key_log.actor IS 'who said so, as the program tells it, or else the role';
COMMENT ON COLUMN key_log.changes IS 'the columns that changed and what they are now; never the hash of a key';

-- The trigger has the owner's rights: who may write keys may not write, change or leave out their log.
CREATE FUNCTION log_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    before  jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}'::jsonb ELSE to_jsonb(OLD) END;
    after   jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}'::jsonb ELSE to_jsonb(NEW) END;
    changes jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO changes
        FROM jsonb_each(after - ARRAY['id', 'created_at', 'last_used_at'])
        WHERE value IS DISTINCT FROM coalesce(before -> key, 'null');
    IF changes ? 'key_hash' THEN
        changes := changes - 'key_hash' || CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE '{"key_hash": "changed"}'::jsonb END;
    END IF;
    IF TG_OP = 'UPDATE' AND changes = '{}' THEN
        RETURN NULL;
    END IF;
    INSERT INTO windfarm.key_log (key_id, action, actor, changes) VALUES (
        coalesce((after ->> 'id')::bigint, (before ->> 'id')::bigint),
        CASE
            WHEN TG_OP = 'INSERT' THEN 'create'
            WHEN TG_OP = 'DELETE' THEN 'delete'
            WHEN changes ? 'revoked_at' THEN 'revoke'
            ELSE 'change'
        END,
        coalesce(nullif(current_setting('windfarm.actor', true), ''), 'role ' || session_user),
        changes
    );
    RETURN NULL;
END
$function$;

REVOKE EXECUTE ON FUNCTION log_key FROM PUBLIC;

CREATE TRIGGER log_key
    AFTER INSERT OR DELETE
        OR UPDATE OF name, key_hash, scopes, farms, created_at, expires_at, revoked_at, rate_limit_per_second, replaces
    ON api_keys FOR EACH ROW EXECUTE FUNCTION log_key();

GRANT SELECT ON key_log TO windfarm_api;
