-- insert_key --
-- Write a key.
INSERT INTO key (id, tenant, name, prefix, digest, created_at, expires_at, revoked_at)
VALUES (:id, :tenant, :name, :prefix, :digest, :created_at, :expires_at, :revoked_at);

-- tenant_of_key --
-- Return whose key this is, unless it is revoked or has expired.
SELECT tenant
  FROM key
 WHERE digest = :digest AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- keys --
-- Return every key, oldest first.
SELECT id, tenant, name, prefix, created_at, expires_at, revoked_at FROM key ORDER BY created_at, rowid;

-- key --
-- Return one key.
SELECT id, tenant, name, prefix, created_at, expires_at, revoked_at FROM key WHERE id = :id;

-- revoke_key --
-- Revoke a key; the first time counts.
UPDATE key SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id;
