-- The fixed tables of a replica. Views (v_*, find_*) are generated from the catalogue and can always be rebuilt.
-- Numbers of scopes and strands are local to one file. Hashes, ids and signatures are raw bytes.
CREATE TABLE meta (
  key TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE scope (
  no INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  code TEXT NOT NULL,
  UNIQUE (kind, code)
);
CREATE TABLE strand (
  no INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scope (no),
  author BLOB NOT NULL,
  first INTEGER NOT NULL,
  prev BLOB NOT NULL,
  parent INTEGER REFERENCES strand (no),
  head INTEGER NOT NULL,
  chain BLOB NOT NULL,
  sealed INTEGER NOT NULL,
  sealed_chain BLOB NOT NULL,
  viewed INTEGER NOT NULL,
  changes INTEGER NOT NULL
);
CREATE TABLE cut (
  strand INTEGER NOT NULL REFERENCES strand (no),
  seq INTEGER NOT NULL,
  before_chain BLOB NOT NULL,
  at_chain BLOB NOT NULL,
  PRIMARY KEY (strand, seq)
) WITHOUT ROWID;
-- place = strand << 40 | first commit
CREATE TABLE blob (
  place INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  packed BLOB NOT NULL
);
CREATE TABLE seal (
  strand INTEGER NOT NULL REFERENCES strand (no),
  seq INTEGER NOT NULL,
  chain BLOB NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (strand, seq)
) WITHOUT ROWID;
CREATE TABLE receipt (
  scope INTEGER NOT NULL REFERENCES scope (no),
  author BLOB NOT NULL,
  epoch BLOB NOT NULL,
  seq INTEGER NOT NULL,
  chain BLOB NOT NULL,
  signature BLOB NOT NULL,
  PRIMARY KEY (scope, author, epoch, seq, chain)
) WITHOUT ROWID;
CREATE TABLE pending (
  no INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scope (no),
  author BLOB NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  chain BLOB NOT NULL,
  changes INTEGER NOT NULL,
  packed BLOB NOT NULL
);
CREATE TABLE certificate (
  author BLOB NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (author, bytes)
) WITHOUT ROWID;
CREATE TABLE odd (
  scope INTEGER NOT NULL REFERENCES scope (no),
  position INTEGER NOT NULL,
  state INTEGER NOT NULL,
  reason TEXT NOT NULL,
  record_type TEXT NOT NULL,
  record BLOB NOT NULL,
  PRIMARY KEY (scope, position)
) WITHOUT ROWID;
CREATE TABLE extra (
  scope INTEGER NOT NULL REFERENCES scope (no),
  record BLOB NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (scope, record, position)
) WITHOUT ROWID;
-- What erasures name: kind 1 a change by its hash, kind 2 a record by its id.
CREATE TABLE erased (
  scope INTEGER NOT NULL REFERENCES scope (no),
  kind INTEGER NOT NULL,
  name BLOB NOT NULL,
  PRIMARY KEY (scope, kind, name)
) WITHOUT ROWID;
-- The files of attachments, by the hash of their bytes. state: 0 arriving, 1 whole here, 2 whole here and refused by the relay,
-- 3 kept elsewhere, 4 to be removed from elsewhere. epoch: the relay epoch that said it holds the file.
CREATE TABLE file (
  no INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scope (no),
  hash BLOB NOT NULL,
  size INTEGER NOT NULL,
  held INTEGER NOT NULL,
  state INTEGER NOT NULL,
  epoch BLOB,
  UNIQUE (scope, hash)
);
-- place = file << 24 | offset of the first byte
CREATE TABLE file_piece (
  place INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
);
