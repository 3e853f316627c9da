//! Whether a relay that holds a million records is slower than one that holds ten thousand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_client::Transport as _;
use lastmile_client::http::Carrier;
use lastmile_client::{Clock as _, Replica, SystemClock};
use lastmile_log::AuthorKey;
use lastmile_model::{Catalogue, RecordId};
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
use crate::messages::key;

/// How many records each community brings, and how many there are at the small and at the large end.
const EACH: u32 = 10_000;
const LARGE: u32 = 100;

/// How many changes one step of the views follows, as the relay's writer does.
const STEP: u64 = 20_000;

/// How many exchanges one sample of the sync is the mean of: a single one takes a few milliseconds.
const EXCHANGES: u32 = 10;

/// One of the two relays: its folder, its device and the authors whose logs fill it.
struct End {
    folder: PathBuf,
    device: Replica,
    authors: Vec<Author>,
}

/// A relay that serves, with a record of its device to edit.
struct Met {
    site: Site,
    activity: RecordId,
}

/// Enrols one author without a replica: its log is made in memory.
async fn author(site: &Site, number: usize) -> Result<Author, BenchError> {
    let scope = community(number)?;
    let invite = site.relay.invite(InviteOrder::new(vec![scope], site.relay.url())).await?;
    let key = AuthorKey::from_seed(&random()?);
    let refused = || BenchError::Unexpected("the relay did not enrol a device");
    let body = enrol_request(&key, &invite.deployment, invite.token, "bench", SystemClock.now_ms(), random()?);
    let carrier = Carrier::new(&invite.relay, invite.pin, Duration::from_secs(60))?;
    let answer =
        carrier.post("/v1/enrol", body.map_err(|_| refused())?, &tokio::sync::watch::Sender::default()).await?;
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
    /// Fills a small relay and a large one, then measures both in turn: first the sync, then taking in more.
    pub(super) fn growth(&mut self) -> Result<(), BenchError> {
        let folder = self.plan.folder.join("growth");
        let runs = usize::try_from(self.runs()).unwrap_or(usize::MAX);
        let filled = usize::try_from(self.part(LARGE, 4)).unwrap_or(usize::MAX);
        let runtime = Self::runtime()?;
        let mut small = runtime.block_on(End::begin(&folder.join("small"), 1 + runs))?;
        let mut large = runtime.block_on(End::begin(&folder.join("large"), filled + runs))?;
        let bar = self.output.progress::<&str>(Some(filled as u64), key!("bench.filling"), &[]);
        for (end, communities) in [(&small, 1), (&large, filled)] {
            let mut relay = store(&end.folder)?;
            for number in 0..communities {
                take(&mut relay, &self.growth_log(end, number)?)?;
                bar.reach(number as u64 + 1);
            }
        }
        drop(bar);
        let (sync_large, sync_small) = runtime.block_on(self.growth_sync(&mut large, &mut small))?;

        let (mut in_large, mut in_small) = (store(&large.folder)?, store(&small.folder)?);
        let (mut rates_large, mut rates_small) = (Vec::new(), Vec::new());
        let bar = self.progress(self.runs());
        for run in 0..runs {
            let (more_large, more_small) = (self.growth_log(&large, filled + run)?, self.growth_log(&small, 1 + run)?);
            rates_large.push(take(&mut in_large, &more_large)?);
            rates_small.push(take(&mut in_small, &more_small)?);
            bar.add(1);
        }
        drop(bar);
        let held = |store: &Store| Ok::<_, BenchError>(store.reader()?.counts(None)?.applied);
        let (held_large, held_small) = (held(&in_large)?, held(&in_small)?);
        drop((in_large, in_small));
        small.device.close()?;
        large.device.close()?;
        let side = |name, unit, samples| Side::new(name, unit, samples);
        let (over, under) = ("with_the_large_relay", "with_the_small_relay");
        for (spec, unit, of_large, of_small) in
            [(GROWTH_INGEST, "records/s", rates_large, rates_small), (GROWTH_SYNC, "ms", sync_large, sync_small)]
        {
            let measured = Measured::ratio(spec, side(over, unit, of_large), side(under, unit, of_small));
            let measured = measured.with("changes_in_the_large_relay", held_large);
            self.keep(measured.with("changes_in_the_small_relay", held_small));
        }
        self.remove("growth");
        Ok(())
    }

    fn growth_log(&self, end: &End, number: usize) -> Result<Log, BenchError> {
        let author = end.authors.get(number).ok_or(BenchError::Unexpected("no device"))?;
        let scope = community(number)?;
        author.log(mix_in(scope.clone(), self.part(EACH, 100), number as u64), &scope)
    }

    /// How long the exchange takes that uploads one changed record, in milliseconds, with each relay in turn.
    async fn growth_sync(&self, large: &mut End, small: &mut End) -> Result<(Vec<f64>, Vec<f64>), BenchError> {
        let (met_large, met_small) = (large.meet().await?, small.meet().await?);
        let (mut times_large, mut times_small) = (Vec::new(), Vec::new());
        for _ in 0..self.runs() {
            times_large.push(large.edit_and_sync(&met_large).await?);
            times_small.push(small.edit_and_sync(&met_small).await?);
        }
        met_large.site.relay.stop().await?;
        met_small.site.relay.stop().await?;
        Ok((times_large, times_small))
    }
}

impl End {
    /// Makes a relay and enrols one device that syncs, and an author for each community.
    async fn begin(folder: &Path, authors: usize) -> Result<Self, BenchError> {
        let site = Site::start(folder, community(0)?).await?;
        let device = site.device().await?;
        let mut all = Vec::with_capacity(authors);
        for number in 0..authors {
            all.push(author(&site, number).await?);
        }
        site.relay.stop().await?;
        Ok(Self { folder: folder.to_owned(), device, authors: all })
    }

    /// Starts the relay; the device takes what its community has and brings an activity of its own.
    async fn meet(&mut self) -> Result<Met, BenchError> {
        let site = Site::start(&self.folder, community(0)?).await?;
        self.device.set_relay(&site.relay.url())?;
        site.relay.settle().await?;
        exchange(&self.device).await?;
        let own = commits_of(&self.device, &site.scope, mix_in(site.scope.clone(), 100, u64::from(u32::MAX)))?;
        let activity = an_activity(&own)?;
        self.device.save(own)?;
        exchange(&self.device).await?;
        site.relay.settle().await?;
        Ok(Met { site, activity })
    }

    /// The mean time of exchanges that each upload one edit.
    async fn edit_and_sync(&self, met: &Met) -> Result<f64, BenchError> {
        let mut spent = Duration::ZERO;
        for _ in 0..EXCHANGES {
            let venue = format!("社区广场{}", unique()?);
            self.device.save(vec![one_edit(&met.site.scope, "activity", met.activity, "venue", &venue)?])?;
            let began = Instant::now();
            exchange(&self.device).await?;
            spent += began.elapsed();
            // What follows in the relay's views is not part of the next exchange.
            met.site.relay.settle().await?;
        }
        Ok(divided(spent.as_secs_f64() * 1e3, f64::from(EXCHANGES)))
    }
}
