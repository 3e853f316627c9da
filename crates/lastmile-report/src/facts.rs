//! What the reports count, read from the views and joined by canonical id.

pub(crate) mod parts;
pub(crate) mod people;
pub(crate) mod sessions;
