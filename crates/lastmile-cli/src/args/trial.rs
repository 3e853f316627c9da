//! `demo`, `generate`, `bench`: looking around and measuring.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bench::Figure;

/// How much data to make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// One community: about 120 members.
    Community,
    /// One street: its communities.
    Street,
    /// The city: 100,000 members, 89,000 sessions.
    City,
}

/// `lastmile demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile demo
  lastmile demo --scale street --dir /tmp/lastmile-demo
  lastmile demo --scale city --json
  lastmile --lang zh-CN demo          # 中文")]
pub struct Demo {
    /// How much data to make up
    #[arg(long, default_value = "community")]
    pub scale: Size,
    /// Seed of the made-up data
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the relay listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Keep relay and devices in this folder, to look at afterwards [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `lastmile generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes into the folder, which must be new or empty:
  dataset.json        what it is: scale, seed, year, the devices and their communities
  devices/LABEL.jsonl what each device records, one save a line, for `lastmile device script`
  ledger.json         what must come out: figures, record ids, duplicates, conflicts, the office's work
The same scale and seed give the same bytes. All people are made up; their id numbers begin with 99.

Examples:
  lastmile generate --out sample
  lastmile generate --scale city --seed 7 --out city
  lastmile device script --dir tablet sample/devices/430103005010-1.jsonl")]
pub struct Generate {
    /// How much data to make up
    #[arg(long, default_value = "community")]
    pub scale: Size,
    /// Seed: the same seed and size give the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder to write to; it must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `lastmile bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without FIGURE everything is measured, which takes about a quarter of an hour on two cores and 2 GB of disk.
Progress goes to standard error, the table or the JSON object to standard output. A goal that is not reached
is printed as not reached; the exit code stays 0. docs/bench.md says how each figure is measured.

Examples:
  lastmile bench
  lastmile bench --cheap
  lastmile bench relay --minutes 60 --json    # an hour of steady load, a storm, an attack
  lastmile bench save upload one-change --runs 9 --json
  lastmile bench --shrink 100 --runs 1        # does everything work here? The figures then say nothing
  lastmile --lang zh-CN bench relay-ingest    # 中文")]
pub struct Bench {
    /// What to measure [default: everything]
    #[arg(value_name = "FIGURE")]
    pub figures: Vec<Figure>,
    /// How often each figure is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,
    /// How often the city demonstration runs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub demo_runs: u32,
    /// For how many minutes `relay` keeps a relay under steady load
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub minutes: u32,
    /// Leave out what takes minutes: relay-views, disk, city-demo, reports, live, relay, growth
    #[arg(long, conflicts_with = "figures")]
    pub cheap: bool,
    /// Use 1/N of the data, to try things out
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub shrink: u32,
    /// Folder for the files that are measured; the disk under it counts [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
