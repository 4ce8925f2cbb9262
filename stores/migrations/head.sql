-- A new log book as the newest migration leaves it. Made here in one step, because Alembic takes a second to load;
-- tests/unit/stores/test_migrations.py holds both against each other.
CREATE TABLE record (
    seq INTEGER NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    request TEXT,
    about TEXT NOT NULL,
    data TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE UNIQUE INDEX record_request ON record (request) WHERE request IS NOT NULL;
CREATE INDEX record_subject ON record (subject);
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_at ON record (at_ms);
CREATE TABLE about (
    ref TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (ref, seq)
) WITHOUT ROWID;
CREATE TABLE open (
    subject TEXT NOT NULL PRIMARY KEY,
    first_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE scar (
    seq INTEGER NOT NULL PRIMARY KEY
);
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('0001');
