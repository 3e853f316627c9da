//! What the language packages over `lastmile-mobile` are generated from, beside UniFFI's own output.

pub mod records;
