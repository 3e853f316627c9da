//! What changes, as a stream that is pulled.

use std::sync::Arc;

use lastmile_store::Touched;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};

use crate::LastmileError;
use crate::record::RecordId;
use crate::replica::Shared;

/// How many events wait for an app that is slow; then it hears [`ChangeEvent::Overflow`] instead.
const WAITING: usize = 64;

/// How many records one event names at most.
const NAMED: usize = 500;

/// What changed on this device, by a save or by what came.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ChangeEvent {
    /// These records.
    Records {
        /// Each once.
        records: Vec<RecordId>,
    },
    /// More than could wait or be named: read again what is shown.
    Overflow,
}

/// A stream of what changes. It never holds more than a few events: an app that falls behind hears
/// [`ChangeEvent::Overflow`] once instead of what it missed.
#[derive(uniffi::Object)]
pub struct ChangeStream {
    events: tokio::sync::Mutex<mpsc::Receiver<ChangeEvent>>,
    given_up: watch::Sender<bool>,
}

impl ChangeStream {
    /// Starts a stream; of these types, or of all where none is named.
    pub(crate) fn start(shared: &Shared, record_types: Vec<String>) -> Result<Arc<Self>, LastmileError> {
        let lease = shared.lease()?;
        let mut changes = lease.observe();
        let catalogue = Arc::clone(lease.catalogue());
        drop(lease);
        let named = move |rows: &[Touched]| {
            let with_type = rows.iter().filter_map(|row| Some((catalogue.types().get(row.type_no)?, row.record)));
            let wanted = with_type.filter(|(known, _)| record_types.is_empty() || record_types.contains(&known.name));
            let names = wanted
                .take(NAMED + 1)
                .map(|(known, id)| RecordId { record_type: known.name.clone(), id: id.to_string() });
            names.collect::<Vec<_>>()
        };
        let (tell, events) = mpsc::channel(WAITING);
        let (given_up, mut gone) = watch::channel(false);
        let mut stopping = shared.engine().stopping();
        let follow = async move {
            loop {
                let event = match changes.recv().await {
                    Ok(rows) => match named(&rows) {
                        records if records.is_empty() => continue,
                        records if records.len() > NAMED => ChangeEvent::Overflow,
                        records => ChangeEvent::Records { records },
                    },
                    Err(RecvError::Lagged(_)) => ChangeEvent::Overflow,
                    Err(RecvError::Closed) => return,
                };
                match tell.try_send(event) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        // Said as soon as there is room; whatever comes until then it speaks of as well.
                        let Ok(room) = tell.reserve().await else { return };
                        changes = changes.resubscribe();
                        room.send(ChangeEvent::Overflow);
                    }
                }
            }
        };
        shared.engine().spawn(async move {
            tokio::select! {
                () = follow => {}
                // It is dropped with whoever listened.
                _ = gone.wait_for(|gone| *gone) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        });
        Ok(Arc::new(Self { events: tokio::sync::Mutex::new(events), given_up }))
    }
}

#[uniffi::export]
impl ChangeStream {
    /// What changed next; `None` when the stream was cancelled or the replica closes.
    pub async fn next(&self) -> Option<ChangeEvent> {
        let event = self.events.lock().await.recv().await;
        event.filter(|_| !*self.given_up.borrow())
    }

    /// Ends the stream.
    pub fn cancel(&self) {
        self.given_up.send_replace(true);
    }
}
