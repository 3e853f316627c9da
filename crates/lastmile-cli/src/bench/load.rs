//! A relay under load: 10,000 devices that sync on, thousands that come back at once, and peers that mean harm.
//!
//! The relay is a process of its own with its usual limits. The devices are keys and sessions without files, in this process, and come
//! from addresses of the loopback network, 200 from each, as from a community centre.

mod attack;
mod fleet;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lastmile_model::Scope;
use tokio::task::JoinSet;

use super::figure::{
    Measured, RELAY_ATTACK, RELAY_MEMORY, RELAY_PUSH, RELAY_SERVED, RELAY_STORM, RELAY_SYNC, Side, divided, rounded,
};
use super::live::{Relay, Watched, mebibytes, quantile, watch};
use super::world::community;
use super::{Bench, BenchError};
use attack::Attack;
use fleet::{Fleet, Tally};

/// Devices enrolled, and the communities that they share.
const DEVICES: u32 = 10_000;
const COMMUNITIES: u32 = 843;

/// Exchanges in a second, and what each brings: saves of two records.
const SYNCS: u32 = 133;
const SAVES: usize = 2;

/// Devices that come back at once, and what each brings: 20 records.
const STORM: u32 = 5_000;
const STORM_SAVES: usize = 10;

/// Pairs of real devices between which commits are watched meanwhile.
const PAIRS: u32 = 4;

/// How often memory is read.
const LOOK: Duration = Duration::from_secs(5);

/// The part of the time after which memory is taken for that of the beginning, and that which is taken for the end.
const BEGINNING: (f64, f64) = (0.2, 0.4);
const END: (f64, f64) = (0.8, 1.0);

/// How often an attack comes and goes, and for how long it stays.
const ATTACKS: u32 = 3;
const ATTACK: u32 = 20;

impl Bench<'_> {
    /// Every figure of a relay under load, since each stands on the same fleet.
    pub(super) fn load(&mut self) -> Result<(), BenchError> {
        let devices = self.part(DEVICES, 48) as usize;
        let folder = self.plan.folder.join("load");
        let relay = Relay::start(&self.plan.program, &folder, devices + 3_000, 256)?;
        let fleet = Arc::new(self.enlist(&relay, devices)?);
        let runtime = Self::runtime()?;
        let total = Arc::new(Tally::default());
        runtime.block_on(self.steady(&relay, &fleet, &total))?;
        // Before the storm, after which the relay has views to make for a while.
        runtime.block_on(self.attacked(&relay, &fleet, &total))?;
        runtime.block_on(self.storm(&relay, &fleet, &total))?;
        let (done, failed) = (total.done(), total.failed());
        let served = divided(100.0 * done as f64, (done + failed) as f64);
        let measured = Measured::new(RELAY_SERVED, vec![served]).with("exchanges", done).with("failed", failed);
        self.keep(measured.with("put_off", total.put_off()).with("first_failure", total.first_failure()));
        drop(relay);
        self.remove("load");
        Ok(())
    }

    fn enlist(&self, relay: &Relay, devices: usize) -> Result<Fleet, BenchError> {
        let bar = self.output.progress::<&str>(Some(devices as u64), crate::messages::key!("bench.preparing"), &[]);
        let communities = self.part(COMMUNITIES, 4) as usize;
        let scopes: Result<Vec<Scope>, BenchError> = (0..communities).map(community).collect();
        Fleet::enlist(relay, devices, &scopes?, &|| bar.add(1))
    }

    /// Steady load, with commits watched from device to device, and the relay's memory.
    async fn steady(&mut self, relay: &Relay, fleet: &Arc<Fleet>, total: &Arc<Tally>) -> Result<(), BenchError> {
        let seconds = if self.plan.shrink > 1 { 4 } else { self.plan.minutes.saturating_mul(60) };
        let mut pairs = self.pairs(relay, seconds).await?;
        let bar = self.progress(seconds);
        let begun = Instant::now();
        let tally = Arc::new(Tally::default());
        let over = Arc::new(AtomicBool::new(false));
        let busy = tokio::spawn(Arc::clone(fleet).keep_busy(relay.addr, SYNCS, Arc::clone(&tally), Arc::clone(&over)));
        let every = if seconds < 60 { Duration::from_millis(500) } else { LOOK };
        let mut memory = Vec::new();
        while begun.elapsed() < Duration::from_secs(u64::from(seconds)) {
            tokio::time::sleep(every).await;
            memory.push((begun.elapsed().as_secs_f64() / f64::from(seconds), mebibytes(relay.memory())));
            bar.add(every.as_secs());
        }
        let elapsed = begun.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        busy.await.map_err(|_| BenchError::Unexpected("a load that stopped"))??;
        let mut shown = Vec::new();
        while let Some(pair) = pairs.join_next().await {
            shown.extend(pair.map_err(|_| BenchError::Unexpected("a device that stopped"))??);
        }
        total.add(&tally);
        let taken = tally.taken();
        let a_second = |count: u64| rounded(count as f64 / elapsed);
        self.keep(
            spread(Measured::new(RELAY_SYNC, vec![quantile(&taken, 0.95)]), &taken)
                .with("devices", fleet.size())
                .with("seconds", seconds)
                .with("syncs_a_second", a_second(tally.done()))
                .with("records_a_second", a_second(tally.records()))
                .with("failed", tally.failed())
                .with("put_off", tally.put_off()),
        );
        self.keep(spread(Measured::new(RELAY_PUSH, vec![quantile(&shown, 0.95)]), &shown));
        let within = |(from, to): (f64, f64)| {
            let of_part = memory.iter().filter(|(part, _)| (from..=to).contains(part));
            of_part.map(|(_, mebibytes)| *mebibytes).collect::<Vec<_>>()
        };
        let side = |name, samples: Vec<f64>| Side { samples: Vec::new(), ..Side::new(name, "MiB", samples) };
        let (end, beginning) = (side("at_the_end", within(END)), side("after_the_beginning", within(BEGINNING)));
        let value = divided(end.median, beginning.median);
        let measured = Measured { value, sides: vec![end, beginning], ..Measured::new(RELAY_MEMORY, vec![value]) };
        let most = memory.iter().map(|(_, mebibytes)| *mebibytes).fold(0.0, f64::max);
        self.keep(measured.with("seconds", seconds).with("mebibytes_at_most", rounded(most)));
        Ok(())
    }

    /// Real devices that save in turn and wait for each other's commits.
    async fn pairs(&self, relay: &Relay, seconds: u32) -> Result<JoinSet<Result<Vec<f64>, BenchError>>, BenchError> {
        let mut office = relay.office()?;
        let mut pairs = JoinSet::new();
        for pair in 0..self.part(PAIRS, 1) {
            let scope = community(pair as usize)?;
            let mut both = Vec::new();
            for side in ["one", "two"] {
                let invite = relay.invite(&mut office, &scope)?;
                let folder = self.plan.folder.join("load").join(format!("{pair}-{side}"));
                both.push(Watched::start(folder, &invite).await?);
            }
            if let (Some(two), Some(one)) = (both.pop(), both.pop()) {
                pairs.spawn(watch(one, two, seconds.saturating_mul(4)));
            }
        }
        Ok(pairs)
    }

    /// Everybody comes back at once.
    async fn storm(&mut self, relay: &Relay, fleet: &Arc<Fleet>, total: &Arc<Tally>) -> Result<(), BenchError> {
        let devices = self.part(STORM, 24) as usize;
        let tally = Arc::new(Tally::default());
        let seconds = fleet.storm(relay.addr, devices, STORM_SAVES, &tally).await?;
        total.add(&tally);
        let after = mebibytes(relay.memory());
        tokio::time::sleep(Duration::from_secs(if self.plan.shrink > 1 { 1 } else { 30 })).await;
        self.keep(
            spread(Measured::new(RELAY_STORM, vec![seconds]), &tally.taken())
                .with("mebibytes_after", rounded(after))
                .with("mebibytes_half_a_minute_later", rounded(mebibytes(relay.memory())))
                .with("devices", devices)
                .with("records", tally.records())
                .with("failed", tally.failed())
                .with("put_off", tally.put_off()),
        );
        Ok(())
    }

    /// Steady load, with and without peers that mean harm, in turn.
    async fn attacked(&mut self, relay: &Relay, fleet: &Arc<Fleet>, total: &Arc<Tally>) -> Result<(), BenchError> {
        let seconds = if self.plan.shrink > 1 { 1 } else { ATTACK };
        let (mut alone, mut attacked) = (Vec::new(), Vec::new());
        let (mut half_open, mut hostile) = (0, 0);
        for _ in 0..ATTACKS {
            alone.push(self.a_while(relay, fleet, total, seconds).await?);
            let attack = Attack::begin(relay.addr, fleet, self.part(attack::HALF_OPEN, 8) as usize).await?;
            attacked.push(self.a_while(relay, fleet, total, seconds).await?);
            let did = attack.end().await;
            (half_open, hostile) = (half_open.max(did.half_open), hostile + did.hostile);
        }
        let (over, under) = (Side::new("under_attack", "ms", attacked), Side::new("left_alone", "ms", alone));
        // The runs are those of one measurement.
        let ratio = Measured::ratio(RELAY_ATTACK, over, under);
        let measured = Measured { samples: vec![ratio.value], runs: 1, ..ratio };
        let a_second = divided(hostile as f64, f64::from(ATTACKS * seconds));
        let measured =
            measured.with("half_open_connections", half_open).with("hostile_requests_a_second", rounded(a_second));
        self.keep(measured.with("times", ATTACKS).with("seconds_each", seconds));
        Ok(())
    }

    /// Steady load for so many seconds; the 95th percentile.
    async fn a_while(
        &self,
        relay: &Relay,
        fleet: &Arc<Fleet>,
        total: &Arc<Tally>,
        seconds: u32,
    ) -> Result<f64, BenchError> {
        let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let busy = tokio::spawn(Arc::clone(fleet).keep_busy(relay.addr, SYNCS, Arc::clone(&tally), Arc::clone(&over)));
        tokio::time::sleep(Duration::from_secs(u64::from(seconds))).await;
        over.store(true, Ordering::Relaxed);
        busy.await.map_err(|_| BenchError::Unexpected("a load that stopped"))??;
        total.add(&tally);
        Ok(quantile(&tally.taken(), 0.95))
    }
}

/// Adds how the samples lie.
fn spread(measured: Measured, taken: &[f64]) -> Measured {
    measured
        .with("milliseconds_in_the_middle", rounded(quantile(taken, 0.5)))
        .with("milliseconds_p95", rounded(quantile(taken, 0.95)))
        .with("milliseconds_p99", rounded(quantile(taken, 0.99)))
        .with("milliseconds_at_most", rounded(quantile(taken, 1.0)))
        .with("samples_taken", taken.len())
}
