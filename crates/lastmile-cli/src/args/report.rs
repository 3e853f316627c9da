//! `report`: the figures.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;

use super::DataDir;
use super::values::{PlaceCode, ReportName, day};

/// `lastmile report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile report                                  # which reports there are
  lastmile report R4 --scope 4301 --from 2026-01-01 --to 2026-12-31
  lastmile report R4 --scope 430103 --places --csv 活动场次.csv
  lastmile report R9 --list --csv 还差一次.csv

Two columns always: verified 已审核, and with what awaits it 含待审. Days are those of Asia/Shanghai.")]
pub struct Report {
    /// The report, R1 to R20; without it they are listed
    #[arg(value_name = "REPORT")]
    pub name: Option<ReportName>,
    /// Only this place [default: all of it]
    #[arg(long, value_name = "CODE")]
    pub scope: Option<PlaceCode>,
    /// First day [default: 1 January of the year of --to]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub from: Option<NaiveDate>,
    /// Last day [default: today]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub to: Option<NaiveDate>,
    /// Show the records behind the figure; as many as the figure says
    #[arg(long)]
    pub list: bool,
    /// Write its figures to this CSV file, which Excel opens; with --list or --places those
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the figures of each place beneath the scope to the CSV file
    #[arg(long, requires = "csv", conflicts_with = "list")]
    pub places: bool,
    /// Where the data lies: a device's or the relay's.
    #[command(flatten)]
    pub data: DataDir,
}
