//! The device side: a replica to record in, query, observe and sync.
