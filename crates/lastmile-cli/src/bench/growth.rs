//! Whether a relay that holds a million records is slower than one that holds ten thousand.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_client::http::Carrier;
use lastmile_client::{Clock as _, Replica, SystemClock};
use lastmile_log::AuthorKey;
use lastmile_model::Catalogue;
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_relay::InviteOrder;
use lastmile_store::sqlite::{self, OpenOptions};
use lastmile_store::{Durability, Fate, Store, ViewMode};
use lastmile_testkit::mix::mix_in;

use super::figure::{GROWTH_INGEST, GROWTH_SYNC, Measured, Side, divided};
use super::sync::{Site, an_activity, commits_of, exchange, one_edit};
use super::world::{Author, Log, community, unique};
use super::{Bench, BenchError};
use crate::actions::random;

/// How many records each community brings, and how many there are at the small and at the large end.
const EACH: u32 = 10_000;
const LARGE: u32 = 100;

/// How many changes one step of the views follows, as the relay's writer does.
const STEP: u64 = 20_000;

/// A relay's folder, its device and the logs that it is filled with.
struct Filling {
    device: Replica,
    authors: Vec<Author>,
}

/// Enrols one author without a replica: its log is made in memory.
async fn author(site: &Site, number: usize) -> Result<Author, BenchError> {
    let scope = community(number)?;
    let invite = site.relay.invite(InviteOrder::new(vec![scope], site.relay.url())).await?;
    let key = AuthorKey::from_seed(&random()?);
    let refused = || BenchError::Unexpected("the relay did not enrol a device");
    let body = enrol_request(&key, &invite.deployment, invite.token, "bench", SystemClock.now_ms(), random()?);
    let carrier = Carrier::new(&invite.relay, Duration::from_secs(60))?;
    let answer = carrier.post("/v1/enrol", body.map_err(|_| refused())?).await?;
    let chain = read_enrolled_response(&answer).map_err(|_| refused())?.map_err(|_| refused())?;
    Ok(Author { key, deployment: invite.deployment, office_key: invite.office_key, chain })
}

/// Opens the store of a relay that does not run.
fn store(folder: &Path) -> Result<Store, BenchError> {
    let catalogue = Catalogue::builtin();
    let storage = sqlite::open(&folder.join("relay").join("relay.db"), &OpenOptions::default(), catalogue)?;
    Ok(Store::new(storage, Arc::new(catalogue.clone()))?)
}

/// Takes one community in, log and views; returns records a second.
fn take(store: &mut Store, log: &Log) -> Result<f64, BenchError> {
    let incoming = log.incoming();
    let began = Instant::now();
    let outcomes = store.ingest(incoming, ViewMode::Later, Durability::Full)?;
    while store.follow_views(STEP)? {}
    let took = began.elapsed().as_secs_f64();
    let all_new = outcomes.iter().all(|outcome| matches!(outcome.fate, Fate::Appended { .. }));
    if all_new {
        Ok(divided(log.changes as f64, took))
    } else {
        Err(BenchError::Unexpected("a batch was not appended"))
    }
}

impl Bench<'_> {
    fn growth_log(&self, author: &Author, number: usize) -> Result<Log, BenchError> {
        let scope = community(number)?;
        author.log(mix_in(scope.clone(), self.part(EACH, 100), number as u64), &scope)
    }

    /// Fills a relay community by community and measures at both ends.
    pub(super) fn growth(&mut self) -> Result<(), BenchError> {
        let folder = self.plan.folder.join("growth").join(unique()?);
        let runs = usize::try_from(self.runs()).unwrap_or(usize::MAX);
        let large = usize::try_from(self.part(LARGE, 4)).unwrap_or(usize::MAX);
        let runtime = Self::runtime()?;
        // The first community fills the small end, then come its samples, what lies between, and the samples of the large end.
        let all = 1 + runs + large + runs;
        let bar = self.output.progress::<&str>(Some(all as u64), crate::messages::key!("bench.filling"), &[]);
        let Filling { mut device, authors } = runtime.block_on(self.growth_begin(&folder, all))?;
        let log = |number: usize| {
            let author = authors.get(number).ok_or(BenchError::Unexpected("no device"))?;
            bar.reach(number as u64);
            self.growth_log(author, number)
        };
        let mut relay = store(&folder)?;
        take(&mut relay, &log(0)?)?;
        drop(relay);
        let small_sync = runtime.block_on(self.growth_sync(&folder, &mut device))?;
        let mut relay = store(&folder)?;
        let mut small = Vec::new();
        for number in 1..=runs {
            small.push(take(&mut relay, &log(number)?)?);
        }
        for number in runs + 1..runs + 1 + large {
            take(&mut relay, &log(number)?)?;
        }
        let mut grown = Vec::new();
        for number in runs + 1 + large..all {
            grown.push(take(&mut relay, &log(number)?)?);
        }
        let held = relay.reader()?.counts(None)?.applied;
        drop(relay);
        let grown_sync = runtime.block_on(self.growth_sync(&folder, &mut device))?;
        device.close()?;
        let (over, under) = ("with_the_large_relay", "with_the_small_relay");
        let ingest =
            Measured::ratio(GROWTH_INGEST, Side::new(over, "records/s", grown), Side::new(under, "records/s", small));
        self.keep(ingest.with("records_in_the_end", held));
        let sync = Measured::ratio(GROWTH_SYNC, Side::new(over, "ms", grown_sync), Side::new(under, "ms", small_sync));
        self.keep(sync.with("records_in_the_end", held));
        self.remove("growth");
        Ok(())
    }

    /// Enrols one device that syncs, and an author for each community.
    async fn growth_begin(&self, folder: &Path, authors: usize) -> Result<Filling, BenchError> {
        let site = Site::start(folder, community(0)?).await?;
        let device = site.device().await?;
        let mut all = Vec::with_capacity(authors);
        for number in 0..authors {
            all.push(author(&site, number).await?);
        }
        site.relay.stop().await?;
        Ok(Filling { device, authors: all })
    }

    /// How long the exchange takes that uploads one changed record, in milliseconds.
    async fn growth_sync(&self, folder: &Path, device: &mut Replica) -> Result<Vec<f64>, BenchError> {
        let site = Site::start(folder, community(0)?).await?;
        device.set_relay(&site.relay.url())?;
        site.relay.settle().await?;
        // The first time it takes what its community has; then it has a record of its own to edit.
        exchange(device).await?;
        let own = commits_of(device, &site.scope, mix_in(site.scope.clone(), 100, u64::from(u32::MAX)))?;
        let activity = an_activity(&own)?;
        device.save(own)?;
        exchange(device).await?;
        site.relay.settle().await?;
        let mut times = Vec::new();
        for run in 0..self.runs() {
            let venue = format!("社区广场{run} {}", unique()?);
            device.save(vec![one_edit(&site.scope, "activity", activity, "venue", &venue)?])?;
            let began = Instant::now();
            exchange(device).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        site.relay.stop().await?;
        Ok(times)
    }
}
