//! How a replica is opened, and where its key comes from.

use std::sync::Arc;
use std::time::Duration;

use lastmile_client::ReplicaOptions;
use zeroize::Zeroize as _;

use crate::LastmileError;

/// The longest text that names an app, in bytes.
const APP: usize = 32;

/// How a replica is opened.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ReplicaConfig {
    /// The folder that holds the replica, or is to hold it. Leave it out of backups and of what the system copies to another device.
    pub folder: String,
    /// The app and its version, as `name 1.2.3`, at most 32 bytes; it stands in every commit. The library's own where there is none.
    #[uniffi(default = None)]
    pub app: Option<String>,
    /// How long a request may go without anything of it or of its answer moving; 30 seconds where there is none.
    #[uniffi(default = None)]
    pub patience: Option<Duration>,
}

impl ReplicaConfig {
    /// The client's options, with this key.
    pub(crate) fn options(&self, key: Option<[u8; 32]>) -> Result<ReplicaOptions, LastmileError> {
        let usual = ReplicaOptions::default();
        let app = self.app.clone().unwrap_or(usual.app);
        if app.len() > APP {
            return Err(LastmileError::argument("app", "too_long", "应用名称过长", "the app's name is too long"));
        }
        let timeout = self.patience.unwrap_or(usual.timeout);
        Ok(ReplicaOptions { key, app, timeout, ..ReplicaOptions::default() })
    }
}

/// Why an app's key store gave no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum KeyError {
    /// The key cannot be had now, e.g. before the device was unlocked the first time.
    #[error("unavailable")]
    Unavailable,
    /// There is no key any more.
    #[error("lost")]
    Lost,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for KeyError {
    // What the app's own code said is not repeated: it may say anything.
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable
    }
}

/// Gives the key of the replica's file, from the platform's key store. It is asked once at each opening, and the key is wiped here
/// after use.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait KeyProvider: Send + Sync {
    /// The 32 bytes of the key, always the same for a replica.
    async fn database_key(&self) -> Result<Vec<u8>, KeyError>;
}

/// Asks for the key; of `None` the file is a plain one.
pub(crate) async fn key_from(keys: Option<Arc<dyn KeyProvider>>) -> Result<Option<[u8; 32]>, LastmileError> {
    let Some(keys) = keys else { return Ok(None) };
    let mut bytes = keys.database_key().await.map_err(|error| LastmileError::key("key_unavailable", error))?;
    let key = <[u8; 32]>::try_from(bytes.as_slice());
    bytes.zeroize();
    key.map(Some).map_err(|_| LastmileError::key("wrong_key", "a key has 32 bytes"))
}
