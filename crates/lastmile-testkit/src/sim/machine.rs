//! Clocks and chance of the simulated machines.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lastmile_client::{ClientError, Clock};
use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The world's time in milliseconds since 1970.
pub type Time = Arc<AtomicI64>;

/// One machine's clock, which may be wrong, and its chance, which repeats itself from a seed.
#[derive(Debug)]
pub struct Machine {
    time: Time,
    skew: AtomicI64,
    rng: Mutex<ChaCha8Rng>,
}

impl Machine {
    pub fn new(time: &Time, seed: u64) -> Arc<Self> {
        let rng = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        Arc::new(Self { time: Arc::clone(time), skew: AtomicI64::new(0), rng })
    }

    /// Sets how far the clock is ahead, in milliseconds.
    pub fn set_skew(&self, skew: i64) {
        self.skew.store(skew, Ordering::SeqCst);
    }

    /// How far the clock is ahead, in milliseconds.
    pub fn skew(&self) -> i64 {
        self.skew.load(Ordering::SeqCst)
    }

    pub fn draw(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

impl Clock for Machine {
    fn now_ms(&self) -> i64 {
        self.time.load(Ordering::SeqCst).saturating_add(self.skew.load(Ordering::SeqCst))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), ClientError> {
        self.draw(bytes);
        Ok(())
    }
}
