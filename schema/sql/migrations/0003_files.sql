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
