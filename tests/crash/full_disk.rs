//! x
pub fn in_a_small_file_system(_: &std::path::Path) {}
