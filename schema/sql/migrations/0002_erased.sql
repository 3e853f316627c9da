-- What erasures name: kind 1 a change by its hash, kind 2 a record by its id.
CREATE TABLE erased (
  scope INTEGER NOT NULL REFERENCES scope (no),
  kind INTEGER NOT NULL,
  name BLOB NOT NULL,
  PRIMARY KEY (scope, kind, name)
) WITHOUT ROWID;
