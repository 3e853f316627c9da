//! The relay's side: open or down, requests under way, what it has receipted.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lastmile_client::Clock as _;
use lastmile_model::{AuthorId, ChainHash, Scope};
use lastmile_relay::by_hand::{Answer, HandRelay};
use lastmile_relay::{RelayError, RelayFolder, RelayOptions};
use lastmile_store::{Reader, StoreError};

use super::machine::Machine;
use super::template::Image;
use crate::disk::Disk;

/// A head that a device holds a receipt for.
pub type Receipted = (Scope, AuthorId, u64, ChainHash);

/// A request that the relay works on.
pub struct Active {
    pub answer: Answer,
    /// Which request it was, for the world.
    pub request: usize,
}

/// The relay's machine.
pub struct Hub {
    pub dir: PathBuf,
    pub disk: Disk,
    pub machine: Arc<Machine>,
    pub relay: Option<HandRelay>,
    pub reader: Option<Reader>,
    pub active: Vec<Active>,
    /// What devices hold receipts for, of this relay's epoch and since it was last put back.
    pub receipted: BTreeSet<Receipted>,
    pub backup: Option<Image>,
    /// How many erasures it has heard of.
    pub heard: usize,
    pub epochs: u8,
    /// Whether its disk was made to fill up.
    pub full: bool,
}

pub fn relay_options(machine: &Arc<Machine>) -> RelayOptions {
    let (clock, chance) = (Arc::clone(machine), Arc::clone(machine));
    RelayOptions {
        clock: Arc::new(move || clock.now_ms()),
        chance: Arc::new(move |bytes| {
            chance.draw(bytes);
            true
        }),
        ..RelayOptions::default()
    }
}

impl Hub {
    /// Whether errors of the disk are to be expected.
    pub fn is_troubled(&self) -> bool {
        self.full || self.disk.is_off()
    }

    /// Makes room on the disk.
    pub fn heal(&mut self) {
        self.full = false;
        self.disk.cure();
    }

    /// Opens the folder.
    pub fn open(&mut self) -> Result<(), RelayError> {
        let folder = RelayFolder::open_or_create(&self.dir, &relay_options(&self.machine))?;
        let relay = HandRelay::new(folder)?;
        self.reader = Some(relay.reader()?);
        self.relay = Some(relay);
        Ok(())
    }

    /// The process is gone, and with it every request it worked on; returns which.
    pub fn stop(&mut self) -> Vec<usize> {
        let lost = self.active.drain(..).map(|active| active.request).collect();
        self.reader = None;
        self.relay = None;
        lost
    }

    /// Lets every request go as far as it can without the writer; returns the answers that are ready.
    pub fn poll(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut ready = Vec::new();
        self.active.retain_mut(|active| match active.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(bytes) => {
                ready.push((active.request, bytes));
                false
            }
            Poll::Pending => true,
        });
        ready
    }

    /// Lets the writer take a turn.
    pub fn turn(&mut self) -> bool {
        self.relay.as_mut().is_some_and(HandRelay::turn)
    }

    /// Gives it another epoch, as one gets that was put back from a copy.
    pub fn new_epoch(&mut self) {
        self.epochs += 1;
        let seed = format!("{:02x}", 0x50 + self.epochs).repeat(32);
        std::fs::write(self.dir.join("office.key"), format!("{seed}\n")).expect("a file in memory can be written");
    }

    /// Which of the heads it gave receipts for it does not hold.
    pub fn lost_receipted(&mut self) -> Result<Option<Receipted>, StoreError> {
        let Some(relay) = &mut self.relay else { return Ok(None) };
        for (scope, author, seq, chain) in &self.receipted {
            if !relay.with_store(|store| store.holds(scope, *author, *seq, *chain))? {
                return Ok(Some((scope.clone(), *author, *seq, *chain)));
            }
        }
        Ok(None)
    }
}
