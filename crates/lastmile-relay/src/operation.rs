//! How a relay is doing: whether it is ready, and every number about it.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, OnceLock, atomic::Ordering};
use std::time::Duration;

use lastmile_store::Counts;
use lastmile_web::tls::Tls;
use tokio::time::timeout;

use crate::folder::DATABASE;
use crate::metrics::{Page, Requests};
use crate::server::Shared;

/// How long the writer may take to answer before the relay counts as not ready.
const WRITER: Duration = Duration::from_secs(5);
/// Nothing is waiting.
const NOTHING: i64 = i64::MIN;
const DAY_MS: i64 = 86_400_000;

/// What the running of a relay is about, beside its records.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The relay's folder; none for one that is driven by hand.
    pub folder: Option<PathBuf>,
    pub disk_floor: u64,
    pub requests: Requests,
    /// The id of the next request; each start begins at another place.
    pub next_request: AtomicU64,
    pub tls: OnceLock<Tls>,
    started_ms: i64,
    /// Since when changes wait for others without a break, as far as this process saw.
    waiting_since_ms: AtomicI64,
    /// When the last backup was taken; 0 before the first.
    backed_up_ms: AtomicI64,
}

/// Why a relay takes no uploads just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReady {
    Stopping,
    Writer,
    Disk,
}

impl NotReady {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::Writer => "the writer does not answer",
            Self::Disk => "too little room on the disk",
        }
    }
}

impl Operation {
    pub fn new(folder: Option<PathBuf>, disk_floor: u64, first_request: u64, now_ms: i64) -> Self {
        Self {
            folder,
            disk_floor,
            requests: Requests::default(),
            next_request: AtomicU64::new(first_request),
            tls: OnceLock::new(),
            started_ms: now_ms,
            waiting_since_ms: AtomicI64::new(NOTHING),
            backed_up_ms: AtomicI64::new(0),
        }
    }

    /// Takes note of when the last backup was taken.
    pub fn note_backup(&self, at_ms: i64) {
        self.backed_up_ms.store(at_ms, Ordering::Relaxed);
    }

    /// Bytes that are free for the relay on its disk; `None` where the system does not say.
    fn disk_free(&self) -> Option<u64> {
        #[cfg(unix)]
        {
            let found = rustix::fs::statvfs(self.folder.as_ref()?).ok()?;
            Some(found.f_bavail.saturating_mul(found.f_frsize))
        }
        #[cfg(not(unix))]
        None
    }

    /// The length of the database, or of the file with this ending beside it; 0 where there is none.
    fn bytes_of(&self, ending: &str) -> Option<u64> {
        let file = self.folder.as_ref()?.join(format!("{DATABASE}{ending}"));
        Some(fs::metadata(file).map_or(0, |found| found.len()))
    }

    /// Notes how many changes wait, and returns for how long some have, in milliseconds.
    fn waiting_ms(&self, waiting: u64, now_ms: i64) -> i64 {
        if waiting == 0 {
            self.waiting_since_ms.store(NOTHING, Ordering::Relaxed);
            return 0;
        }
        let since = self.waiting_since_ms.compare_exchange(NOTHING, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        now_ms.saturating_sub(since.map_or_else(|since| since, |_| now_ms)).max(0)
    }
}

/// Whether the relay takes uploads: it is not stopping, its writer answers, and there is room.
pub(crate) async fn readiness(shared: &Arc<Shared>) -> Result<(), NotReady> {
    if shared.connections.load().stopping {
        return Err(NotReady::Stopping);
    }
    match timeout(WRITER, shared.writer.ask(|_| Ok(()))).await {
        Ok(Ok(())) => {}
        _ => return Err(NotReady::Writer),
    }
    let operation = Arc::clone(&shared.operation);
    let free = tokio::task::spawn_blocking(move || operation.disk_free()).await.ok().flatten();
    if free.is_some_and(|free| free < shared.operation.disk_floor) {
        return Err(NotReady::Disk);
    }
    Ok(())
}

/// Writes every number as Prometheus reads it.
pub(crate) async fn page(shared: &Arc<Shared>) -> String {
    let ready = readiness(shared).await.is_ok();
    let counts = shared.counts().await;
    let operation = Arc::clone(&shared.operation);
    let files = tokio::task::spawn_blocking(move || {
        (operation.disk_free(), operation.bytes_of(""), operation.bytes_of("-wal"))
    });
    let (free, database, wal) = files.await.unwrap_or_default();
    let (operation, now_ms) = (&shared.operation, shared.now_ms());
    let mut page = Page::default();
    page.begin("lastmile_build_info", "gauge", "The version that runs.");
    page.labelled("", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
    let up = now_ms.saturating_sub(operation.started_ms).max(0) / 1000;
    page.one("lastmile_uptime_seconds", "gauge", "Seconds since the start.", Some(up));
    page.one("lastmile_ready", "gauge", "1 while the relay takes uploads, as GET /readyz.", Some(u8::from(ready)));
    write_connections(shared, &mut page);
    operation.requests.write(&mut page);
    write_work(shared, counts, now_ms, &mut page);
    write_files(shared, &mut page).await;
    page.one("lastmile_database_bytes", "gauge", "Bytes of the database.", database);
    page.one("lastmile_wal_bytes", "gauge", "Bytes of the database's write-ahead log.", wal);
    let help = "When the last backup was taken, in seconds since 1970; 0 before the first.";
    let taken = operation.backed_up_ms.load(Ordering::Relaxed).div_euclid(1000);
    page.one("lastmile_last_backup_timestamp_seconds", "gauge", help, Some(taken));
    page.one("lastmile_disk_free_bytes", "gauge", "Bytes free on the disk of the relay's folder.", free);
    let days = operation.tls.get().map(|tls| tls.identity().not_after_ms().saturating_sub(now_ms).div_euclid(DAY_MS));
    page.one("lastmile_certificate_days_left", "gauge", "Whole days until the server's certificate is over.", days);
    page.finish()
}

async fn write_files(shared: &Arc<Shared>, page: &mut Page) {
    let totals = shared.file_totals().await;
    page.one("lastmile_files", "gauge", "Files of attachments kept.", totals.map(|(count, _)| count));
    page.one("lastmile_file_bytes", "gauge", "Their bytes.", totals.map(|(_, bytes)| bytes));
    let stats = &shared.files.stats;
    for (name, help, count) in [
        ("lastmile_files_kept_total", "Files that came whole and were kept.", &stats.kept),
        ("lastmile_files_refused_total", "Files and pieces refused for what they are.", &stats.refused),
        ("lastmile_file_bytes_taken_total", "Bytes of files taken.", &stats.taken),
        ("lastmile_file_bytes_served_total", "Bytes of files served.", &stats.served),
    ] {
        page.one(name, "counter", help, Some(count.load(Ordering::Relaxed)));
    }
}

fn write_connections(shared: &Shared, page: &mut Page) {
    let load = shared.connections.load();
    page.one("lastmile_connections_open", "gauge", "Connections open now.", Some(load.open));
    page.one("lastmile_connections_limit", "gauge", "The most that may be open.", Some(load.limit));
    page.one("lastmile_connections_accepted_total", "counter", "Connections taken.", Some(load.accepted));
    page.one("lastmile_connections_refused_total", "counter", "Connections refused by a limit.", Some(load.refused));
    let late = "Connections that a time limit ended, idle ones not counted.";
    page.one("lastmile_connections_timed_out_total", "counter", late, Some(load.timed_out));
    let live = "Connections that stay, of devices that have signed in.";
    page.one("lastmile_live_connections", "gauge", live, Some(shared.sessions.count()));
    page.one(
        "lastmile_handshakes_failed_total",
        "counter",
        "TLS handshakes that failed.",
        Some(load.failed_handshakes),
    );
}

fn write_work(shared: &Shared, counts: Option<Counts>, now_ms: i64, page: &mut Page) {
    let stats = &shared.writer.stats;
    page.one("lastmile_uploads_total", "counter", "Uploads answered.", Some(stats.uploads()));
    page.one("lastmile_group_commits_total", "counter", "Transactions that took them.", Some(stats.group_commits()));
    page.one("lastmile_uploads_refused_total", "counter", "Uploads that could not be stored.", Some(stats.refused()));
    page.one("lastmile_panics_total", "counter", "Work that ended in a panic and was undone.", Some(stats.panics()));
    page.begin("lastmile_limited_total", "counter", "Requests refused because a device or an address asked too much.");
    let (devices, addresses) = shared.rates.refused();
    page.labelled("", "by=\"device\"", devices);
    page.labelled("", "by=\"address\"", addresses);
    let help = "Bytes of request bodies in memory beyond the first 64 KiB of each.";
    page.one("lastmile_bodies_bytes", "gauge", help, Some(shared.bodies.bytes()));
    let Some(counts) = counts else { return };
    page.begin("lastmile_changes", "gauge", "Changes held, by state.");
    for (state, count) in [
        ("applied", counts.applied),
        ("waiting", counts.waiting),
        ("quarantined", counts.quarantined),
        ("opaque", counts.opaque),
        ("erased", counts.erased),
        ("pending", counts.pending),
        ("not_viewed", counts.unviewed),
    ] {
        page.labelled("", &format!("state=\"{state}\""), count);
    }
    let behind = "Changes that the views do not show yet.";
    page.one("lastmile_views_behind", "gauge", behind, Some(counts.unviewed));
    let waiting = shared.operation.waiting_ms(counts.waiting, now_ms) / 1000;
    let help = "Seconds for which changes have waited for others without a break, seen since the start.";
    page.one("lastmile_waiting_seconds", "gauge", help, Some(waiting));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_counts_from_its_beginning_without_a_break() {
        let operation = Operation::new(None, 0, 0, 0);
        let waited = [(0, 5), (3, 10), (1, 25), (2, 40), (0, 50), (1, 60), (1, 61)]
            .map(|(waiting, now_ms)| operation.waiting_ms(waiting, now_ms));
        assert_eq!(waited, [0, 0, 15, 30, 0, 0, 1]);
        assert_eq!(operation.disk_free(), None, "no folder, no disk");
    }
}
