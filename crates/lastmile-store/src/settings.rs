//! Small values kept beside the logs.

use lastmile_log::Deployment;

use crate::StoreError;

/// Writes a deployment as 48 bytes: id, root public key.
pub(crate) fn write_deployment(deployment: &Deployment) -> Vec<u8> {
    [deployment.id.as_slice(), deployment.root.as_slice()].concat()
}

/// Reads what [`write_deployment`] wrote.
pub(crate) fn read_deployment(bytes: &[u8]) -> Result<Deployment, StoreError> {
    let read = || {
        let (id, root) = bytes.split_at_checked(16)?;
        Some(Deployment { id: id.try_into().ok()?, root: root.try_into().ok()? })
    };
    read().ok_or_else(|| StoreError::damaged("the stored deployment"))
}
