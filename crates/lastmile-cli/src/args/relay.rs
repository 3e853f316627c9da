//! `relay`: running the central side.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

use super::DataDir;
use super::values::{PlaceCode, day};

/// `lastmile relay ...`.
#[derive(Debug, Subcommand)]
pub enum Relay {
    /// Serve devices and the office's pages; the first start makes the deployment
    Serve(Serve),
    /// Make an invitation for a device
    Invite(Invite),
}

/// `lastmile relay serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile relay serve --dir /var/lib/lastmile
  lastmile relay serve --listen 10.0.0.5:8440 --proxy 10.0.0.4 --public-url https://lastmile.example.cn

Ctrl-C or SIGTERM stops it: requests under way finish first.")]
pub struct Serve {
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
    /// Address to listen on; port 0 takes a free one. Other computers reach it through a reverse proxy with TLS only
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8440")]
    pub listen: SocketAddr,
    /// Reverse proxy that may connect from another computer and speaks TLS to the world; repeatable
    #[arg(long, value_name = "ADDR")]
    pub proxy: Vec<IpAddr>,
    /// URL under which devices reach the relay; it goes into invitations
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Write the address it listens on to this file once it is ready
    #[arg(long, value_name = "FILE")]
    pub address_file: Option<PathBuf>,
    /// Where the register of revocations and erasures is kept, best on another disk [default: register.jsonl in the folder]
    #[arg(long, value_name = "FILE")]
    pub register: Option<PathBuf>,
    /// Most connections in all
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Most connections of one address
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub max_per_address: usize,
}

/// What the holder of a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Grid worker 网格员.
    Worker,
    /// Community secretary 社区书记.
    Secretary,
    /// Street office 街道.
    Street,
    /// District office 区县.
    District,
    /// Central office 市委组织部.
    Central,
    /// Organisation's liaison 单位联络员.
    Liaison,
    /// Member 在职党员.
    Member,
    /// Auditor 审计员.
    Auditor,
}

/// `lastmile relay invite`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile relay invite --scope 430103005010 --role worker --note '张三 手机'
  lastmile relay invite --scope 430103005010 --role secretary --until 2027-12-31 --out invite.txt")]
pub struct Invite {
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
    /// Community that the device will hold; repeatable
    #[arg(long, value_name = "CODE", required = true)]
    pub scope: Vec<PlaceCode>,
    /// What those who use it may do (schema/permissions.toml); repeatable
    #[arg(long, default_value = "worker")]
    pub role: Vec<Role>,
    /// Person who uses it, by whole id; repeatable. Each is granted the roles in these communities
    #[arg(long, value_name = "ID")]
    pub person: Vec<uuid::Uuid>,
    /// The device that it takes the place of, by its author: that one is revoked when the invitation is used
    #[arg(long, value_name = "AUTHOR")]
    pub replaces: Option<String>,
    /// Last day on which the device may be used [default: open]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub until: Option<NaiveDate>,
    /// Hours after which the invitation itself ends
    #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub valid_hours: u32,
    /// URL of the relay [default: the one it serves under]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Your own words about whose device it is
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Write the invitation to this file instead of showing it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a number from 1 on".to_owned()),
    }
}
