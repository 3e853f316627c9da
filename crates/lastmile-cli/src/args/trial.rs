//! `demo`, `generate`, `bench`: looking around and measuring.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
Examples:
  lastmile generate --scale community --out sample
  lastmile generate --scale city --seed 7 --devices 100 --out city")]
pub struct Generate {
    /// How much data to make up
    #[arg(long, default_value = "community")]
    pub scale: Size,
    /// Seed: the same seed and size give the same bytes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Spread the work over this many devices, each with a replica of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub devices: u32,
    /// Folder to write to; it must be new or empty
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// Saving one record on a device.
    Save,
    /// A device's day sent to the relay and back.
    Sync,
    /// Taking in uploads at the relay.
    Ingest,
    /// Building the views anew.
    Rebuild,
    /// Finding a person.
    Find,
    /// Every report once.
    Report,
}

/// `lastmile bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile bench
  lastmile bench save ingest --seconds 10 --json")]
pub struct Bench {
    /// What to measure [default: everything]
    #[arg(value_name = "WHAT")]
    pub what: Vec<Measure>,
    /// How long to measure each
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How much data to measure on
    #[arg(long, default_value = "community")]
    pub size: Size,
    /// Seed of the made-up data
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for the files that are measured; the disk under it counts [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
