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
    /// Show the configuration in force, and whether it would do; nothing is started
    CheckConfig(CheckConfig),
    /// Make an invitation for a device
    Invite(Invite),
    /// Take a backup, while the relay runs or not
    Backup(BackUp),
    /// Put a backup back; the relay goes on under a new epoch, and devices bring what is missing
    Restore(Restore),
}

/// `lastmile relay backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile relay backup --to /backup/lastmile/2026-11-25

The keys are not in it: keep copies of root.key, value.key, fingerprint.key and ca.key elsewhere.")]
pub struct BackUp {
    /// A folder that does not exist yet
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile relay restore`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lastmile relay restore --from /backup/lastmile/2026-11-25 --dir /var/lib/lastmile"
)]
pub struct Restore {
    /// The backup's folder
    #[arg(long, value_name = "FOLDER")]
    pub from: PathBuf,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile relay serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile relay serve --dir /var/lib/lastmile
  lastmile relay serve --listen 0.0.0.0:8440 --public-url https://lastmile.example.cn:8440
  lastmile relay serve --listen 10.0.0.5:8440 --proxy 10.0.0.4 --public-url https://lastmile.example.cn

Beyond this computer it speaks TLS: with the certificate that is named, or one by an authority of its own that invitations name.
Ctrl-C or SIGTERM stops it: requests under way finish first. SIGHUP reads certificates again.")]
pub struct Serve {
    /// What the configuration is made of.
    #[command(flatten)]
    pub configured: Configured,
    /// Write the address it listens on to this file once it is ready
    #[arg(long, value_name = "FILE")]
    pub address_file: Option<PathBuf>,
}

/// `lastmile relay check-config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile relay check-config --dir /var/lib/lastmile
  lastmile relay check-config --config new.toml --json

It starts nothing. Exit code 2 says that the relay would not start, or that devices would not believe it.")]
pub struct CheckConfig {
    /// What the configuration is made of.
    #[command(flatten)]
    pub configured: Configured,
}

/// What a relay's configuration is made of: the file, then LASTMILE_RELAY_... variables, then these options.
#[derive(Debug, Args)]
pub struct Configured {
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
    /// Configuration file [default: relay.toml in the folder of the data, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one. What other computers reach is encrypted [default: 127.0.0.1:8440]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Reverse proxy that speaks TLS to the world and may connect in clear text; repeatable
    #[arg(long, value_name = "ADDR")]
    pub proxy: Vec<IpAddr>,
    /// URL under which devices reach the relay; it goes into invitations
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Own certificate chain in PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Key of the own certificate in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Name or address in the certificate that the relay issues itself; repeatable
    #[arg(long, value_name = "NAME")]
    pub tls_name: Vec<String>,
    /// Port or address of the metrics, or `off` [default: off]
    #[arg(long, value_name = "PORT")]
    pub metrics: Option<String>,
    /// Most connections in all [default: 4096]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_connections: Option<usize>,
    /// Most connections of one address [default: 256]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_per_address: Option<usize>,
    /// Any other key of the configuration (docs/operations.md); repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
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
    /// Write the invitation as a QR code to this file, .svg or .png; a terminal shows one anyway
    #[arg(long, value_name = "FILE")]
    pub qr: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a number from 1 on".to_owned()),
    }
}
