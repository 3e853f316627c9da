//! Where data lies when nobody says where.

use std::ffi::OsString;
use std::path::PathBuf;

/// Whose data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A device's replica.
    Device,
    /// The relay's data.
    Relay,
}

impl Holder {
    const fn folder(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Relay => "relay",
        }
    }
}

/// The variable that names the folder where `--dir` does not.
pub const VARIABLE: &str = "LASTMILE_DIR";

/// The variable that names the file with a device's key where `--key-file` does not.
pub const KEY_VARIABLE: &str = "LASTMILE_KEY_FILE";

/// Returns the file with a device's key that the environment names.
#[must_use]
pub fn key_file() -> Option<PathBuf> {
    std::env::var_os(KEY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Returns the folder: `given`, else `LASTMILE_DIR`, else the user's data folder of this system; `None` if the system
/// names none.
#[must_use]
pub fn resolve(given: Option<PathBuf>, holder: Holder) -> Option<PathBuf> {
    resolve_with(given, holder, |name| std::env::var_os(name))
}

fn resolve_with(
    given: Option<PathBuf>,
    holder: Holder,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given.or_else(|| path(VARIABLE)).or_else(|| {
        let data = if cfg!(windows) {
            path("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            path("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")))
        };
        data.map(|data| data.join("lastmile").join(holder.folder()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_what_is_said_then_the_variable_then_the_system() {
        let env = |name: &str| match name {
            VARIABLE => Some("/data".into()),
            "HOME" | "LOCALAPPDATA" => Some("/home/li".into()),
            _ => None,
        };
        assert_eq!(resolve_with(Some("here".into()), Holder::Device, env), Some("here".into()));
        assert_eq!(resolve_with(None, Holder::Device, env), Some("/data".into()));
        let bare = |name: &str| env(name).filter(|_| name != VARIABLE);
        let found = resolve_with(None, Holder::Relay, bare).unwrap();
        assert!(found.starts_with("/home/li") && found.ends_with("lastmile/relay"), "{found:?}");
        assert_eq!(resolve_with(None, Holder::Relay, |_| None), None);
    }
}
