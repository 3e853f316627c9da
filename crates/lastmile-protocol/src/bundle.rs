//! The `.lastmile` file: one side's half of an exchange, said to nobody in particular.
//!
//! A file begins with [`START`]. Its last byte names the form of what follows: 0 for plain frames. Everything after it is a
//! hello, vectors, certificates, batches and an end frame, as on any other carrier. A file that breaks off is good up to its
//! last whole frame.

/// The first bytes of a bundle with plain frames.
///
/// The byte beyond ASCII and the line ends show at once when a transfer treated the file as text.
pub const START: &[u8; 12] = b"\x89LASTMILE\r\n\x00";
