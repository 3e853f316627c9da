//! Measures the facade itself for `mobile-bindings/bench`: what calls cost without a language above them.
//!
//! ```text
//! figures fill FOLDER INVITE    enrols an encrypted replica, saves 10,000 records and uploads them
//! figures calls FOLDER          a save and a list of 1,000 records, warm
//! figures open FOLDER           one opening, by a process that has done nothing else
//! figures idle FOLDER           steps in the background with nothing to do
//! ```
//!
//! Each prints one line of JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lastmile_mobile::{
    BackgroundOutcome, FieldValue, KeyError, KeyProvider, LastmileError, ListQuery, RecordEdit, Replica, ReplicaConfig,
    SaveOptions,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// How many records the replica holds, and how many of them a commit brings.
const RECORDS: usize = 10_000;
const OF_A_COMMIT: usize = 100;

/// How many calls are made before any is measured, and how many are.
const WARM: usize = 1_000;
const SAVES: usize = 1_000;
const LISTS: usize = 100;
const STEPS: u32 = 20;

const SOON: Duration = Duration::from_secs(120);

struct Key;

#[async_trait::async_trait]
impl KeyProvider for Key {
    async fn database_key(&self) -> Result<Vec<u8>, KeyError> {
        Ok(vec![7; 32])
    }
}

fn config(folder: &str) -> ReplicaConfig {
    ReplicaConfig { folder: folder.to_owned(), app: None, patience: None }
}

/// The processor time of this process.
fn processor() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

fn activity(number: usize) -> RecordEdit {
    let text = |value: &str| FieldValue::Text { value: value.to_owned() };
    let fields = [
        ("title", text(&format!("清洁日{number}"))),
        ("category", text("environment")),
        ("kind", text("service")),
        ("date", text("2026-03-05")),
        ("beneficiaries", FieldValue::Number { value: 20 }),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let (record_type, fields) = ("activity".to_owned(), HashMap::from(fields));
    RecordEdit::Create { record_type, id: None, fields, events: Vec::new() }
}

fn list() -> ListQuery {
    let fields = ["title", "date"].map(str::to_owned).to_vec();
    ListQuery {
        record_type: "activity".to_owned(),
        fields,
        conditions: Vec::new(),
        sort: Vec::new(),
        limit: 1_000,
        after: None,
    }
}

async fn fill(folder: &str, invite: String) -> Result<serde_json::Value, LastmileError> {
    let replica = Replica::enrol(config(folder), invite, "figures".to_owned(), Some(Arc::new(Key))).await?;
    for commit in 0..RECORDS / OF_A_COMMIT {
        let edits = (0..OF_A_COMMIT).map(|number| activity(commit * OF_A_COMMIT + number)).collect();
        replica.save(edits, SaveOptions::default()).await?;
    }
    while replica.background_step(SOON).await? != BackgroundOutcome::Done {}
    replica.shut_down().await?;
    Ok(json!({ "records": RECORDS }))
}

async fn calls(folder: &str) -> Result<serde_json::Value, LastmileError> {
    let replica = Replica::open(config(folder), Some(Arc::new(Key))).await?;
    for number in 0..WARM {
        replica.save(vec![activity(number)], SaveOptions::default()).await?;
    }
    let before = processor();
    for number in 0..SAVES {
        replica.save(vec![activity(number)], SaveOptions::default()).await?;
    }
    let save = (processor() - before).as_secs_f64() * 1e6 / SAVES as f64;
    for _ in 0..LISTS {
        replica.list(list()).await?;
    }
    let (before, began) = (processor(), Instant::now());
    let mut rows = 0;
    for _ in 0..LISTS {
        rows += replica.list(list()).await?.rows.len();
    }
    let (processor, wall) = (processor() - before, began.elapsed());
    assert_eq!(rows, LISTS * 1_000);
    replica.shut_down().await?;
    let of_a_list = |time: Duration| time.as_secs_f64() * 1e3 / LISTS as f64;
    Ok(json!({ "save_cpu_us": save, "list_cpu_ms": of_a_list(processor), "list_ms": of_a_list(wall) }))
}

async fn open(folder: &str) -> Result<serde_json::Value, LastmileError> {
    let began = Instant::now();
    let replica = Replica::open(config(folder), Some(Arc::new(Key))).await?;
    let opened = began.elapsed();
    replica.shut_down().await?;
    Ok(json!({ "open_ms": opened.as_secs_f64() * 1e3 }))
}

async fn idle(folder: &str) -> Result<serde_json::Value, LastmileError> {
    let replica = Replica::open(config(folder), Some(Arc::new(Key))).await?;
    while replica.background_step(SOON).await? != BackgroundOutcome::Done {}
    let before = processor();
    for _ in 0..STEPS {
        assert_eq!(replica.background_step(SOON).await?, BackgroundOutcome::Done);
    }
    let step = (processor() - before).as_secs_f64() * 1e3 / f64::from(STEPS);
    let requests = replica.sync_now(Some(SOON))?.result().await?.requests;
    replica.shut_down().await?;
    Ok(json!({ "idle_cpu_ms": step, "idle_requests": requests }))
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", folder, invite] => fill(folder, (*invite).to_owned()).await,
        ["calls", folder] => calls(folder).await,
        ["open", folder] => open(folder).await,
        ["idle", folder] => idle(folder).await,
        _ => {
            eprintln!("figures: what to measure, and the folder of a replica; see the head of figures.rs");
            std::process::exit(2);
        }
    };
    match done {
        Ok(figures) => println!("{figures}"),
        Err(error) => {
            eprintln!("figures: {error}");
            std::process::exit(1);
        }
    }
}
