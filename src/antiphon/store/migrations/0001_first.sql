-- Responses, conversations, their items, and API keys.
--
-- Ids begin with the time they were made, so inserts land on the last pages of an index. A BLOB stands last in its
-- row: what is read without it doesn't touch the pages it fills.

-- A deleted response stays, emptied, while others continue it: their history runs through it.
CREATE TABLE response (
    tenant          TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    previous_id     TEXT,
    conversation_id TEXT,
    deleted         INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    body            BLOB    NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Who continues a response?
CREATE INDEX response_by_previous ON response (previous_id) WHERE previous_id IS NOT NULL;

-- What has to be taken up or closed after a restart?
CREATE INDEX response_unfinished ON response (tenant, id) WHERE status IN ('queued', 'in_progress') AND deleted = 0;

-- A deleted conversation stays as a tombstone, so that its id is never used again.
CREATE TABLE conversation (
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    metadata   BLOB    NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- An item stands once, in a response (side 0 is its input, 1 its output), in a conversation, or in both; its order in
-- each is that of the rows. It has bytes of its own or shares those of the row in same_as, which has bytes of its own.
-- A row that stands nowhere any more is kept while another shares its bytes. AUTOINCREMENT, because a number that was
-- read must never come to mean another item.
CREATE TABLE item (
    row             INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant          TEXT NOT NULL,
    id              TEXT NOT NULL,
    response_id     TEXT,
    side            INTEGER CHECK (side IN (0, 1)),
    conversation_id TEXT,
    same_as         INTEGER REFERENCES item (row),
    body            BLOB,
    FOREIGN KEY (tenant, response_id) REFERENCES response (tenant, id),
    FOREIGN KEY (tenant, conversation_id) REFERENCES conversation (tenant, id),
    CHECK ((response_id IS NULL) = (side IS NULL)),
    CHECK ((body IS NULL) <> (same_as IS NULL))
);

-- Every index ends in the row number by itself.
CREATE INDEX item_by_response ON item (response_id) WHERE response_id IS NOT NULL;
CREATE INDEX item_by_conversation ON item (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX item_by_id ON item (tenant, id);
CREATE INDEX item_by_same_as ON item (same_as) WHERE same_as IS NOT NULL;

-- A key is known by the SHA-256 of its whole text and by nothing else.
CREATE TABLE key (
    id         TEXT PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    prefix     TEXT    NOT NULL,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);

-- One row that the health check writes and reads.
CREATE TABLE probe (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);
