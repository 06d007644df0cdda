-- create_migrations --
-- Make the list of applied migrations, once.
CREATE TABLE IF NOT EXISTS migration (
    number     INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
);

-- migrations --
-- Return the applied migrations in order.
SELECT number, name, sha256 FROM migration ORDER BY number;

-- note_migration --
-- Note that a migration was applied.
INSERT INTO migration (number, name, sha256, applied_at)
VALUES (:number, :name, :sha256, CAST(strftime('%s', 'now') AS INTEGER));

-- write_probe --
-- Count the health checks.
INSERT INTO probe (one, number) VALUES (1, 1)
    ON CONFLICT (one) DO UPDATE SET number = number + 1;

-- probe --
-- Return how many health checks there were.
SELECT number FROM probe;
