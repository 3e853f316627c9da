//! Removing the files of erased records from where they are kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lastmile_store::storage::FileState;
use tokio::sync::watch;

use crate::RelayError;
use crate::central::Central;
use crate::server::Shared;

/// How often it is tried again what could not be removed, and what has come in part is looked through.
const AGAIN: Duration = Duration::from_secs(60);

/// Removes what was erased: at once when told, and again until it is done.
pub(crate) async fn keep_removing(shared: Arc<Shared>, mut stopped: watch::Receiver<()>) {
    // Looking for them reads all that is known of files, so it is done when there is reason to: at the start, when told, after a failure.
    let mut due = true;
    loop {
        if due {
            let removed = remove_gone(&shared).await;
            due = removed.is_err();
            match removed {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "files of erased records were removed"),
                Err(RelayError::Stopping) => return,
                Err(error) => tracing::error!(%error, "files of erased records cannot be removed yet"),
            }
        }
        let (files, now_ms) = (Arc::clone(&shared.files), shared.now_ms());
        // What panicked in there is tried again in a minute.
        let _ = tokio::task::spawn_blocking(move || files.drop_old(now_ms)).await;
        tokio::select! {
            () = shared.files.erased.notified() => due = true,
            () = tokio::time::sleep(AGAIN) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// Removes what was erased from a folder while no relay serves it. From a bucket it is removed once one does.
pub(crate) fn remove_gone_here(central: &mut Central) -> Result<(), RelayError> {
    let folder = central.files.folder().map(ToOwned::to_owned);
    for (scope, hash) in central.store.gone_files()? {
        central.files.drop_erased(&scope, &hash);
        let Some(folder) = &folder else { continue };
        let path = folder.join(central.files.path(&scope, &hash).as_ref());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RelayError::file(path, error)),
            _ => central.store.forget_file(&scope, &hash)?,
        }
    }
    Ok(())
}

/// Removes every file that was erased; tells how many.
pub(crate) async fn remove_gone(shared: &Shared) -> Result<usize, RelayError> {
    let gone = shared.writer.ask(|central| Ok(central.store.gone_files()?)).await?;
    let count = gone.len();
    for (scope, hash) in gone {
        let _moving = shared.files.moving.lock().await;
        // It may have been attached anew meanwhile.
        let asked = scope.clone();
        let still = shared.writer.ask(move |central| Ok(central.store.file(&asked, &hash)?));
        if still.await?.is_none_or(|file| file.state != FileState::Gone) {
            continue;
        }
        let (files, erased) = (Arc::clone(&shared.files), scope.clone());
        tokio::task::spawn_blocking(move || files.drop_erased(&erased, &hash))
            .await
            .map_err(|error| RelayError::file(shared.files.path(&scope, &hash).as_ref(), error.into()))?;
        shared.files.remove(&scope, &hash).await?;
        shared.writer.ask(move |central| Ok(central.store.forget_file(&scope, &hash)?)).await?;
    }
    Ok(count)
}
