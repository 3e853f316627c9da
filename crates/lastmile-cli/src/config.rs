//! A relay's configuration: one TOML file, the environment, the command line; each stands above the one before.
//!
//! Every key is a line of [`KEYS`]. `docs/operations.md` describes each, and a test holds the two equal.

pub mod check;
pub mod keys;
mod read;
mod relay;

pub use keys::{KEYS, KeySpec, Kind};
pub use read::{Mistake, Origin, Set, Settings, Value};
pub(crate) use relay::is_near;
pub use relay::{Contradiction, LogFormat, RelayConfig};

/// What the names of environment variables begin with; the key follows in capitals, `_` for each `.`.
pub const PREFIX: &str = "LASTMILE_RELAY_";

/// The file that is read from the relay's folder if no other is named.
pub const FILE: &str = "relay.toml";
