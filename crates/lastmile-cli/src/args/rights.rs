//! `office`: devices, invitations, roles of people, erasing.

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use super::DataDir;
use super::office::Reason;
use super::relay::Role;
use super::values::{PlaceCode, RecordRef, day};

/// The commands about who may do what.
#[derive(Debug, Subcommand)]
pub enum Rights {
    /// List the devices
    Devices(Devices),
    /// Give a device another name
    Rename(Rename),
    /// Certify a device anew: for other people, roles, communities or another time
    Assign(Assign),
    /// Accept nothing more of a device that is lost or whose holder has left
    Revoke(Revoke),
    /// List the invitations
    Invites(Invites),
    /// Take back an invitation that was not used
    Withdraw(Withdraw),
    /// Give a person a role in a part of the city
    Grant(Grant),
    /// End a person's role
    EndGrant(EndGrant),
    /// List what a person was granted
    Grants(Grants),
    /// Erase what a record says, wherever it is held; of a person the check-ins too
    Erase(Erase),
}

impl Rights {
    /// Where the data lies.
    pub const fn data(&self) -> &DataDir {
        match self {
            Self::Devices(args) => &args.data,
            Self::Rename(args) => &args.data,
            Self::Assign(args) => &args.data,
            Self::Revoke(args) => &args.data,
            Self::Invites(args) => &args.data,
            Self::Withdraw(args) => &args.data,
            Self::Grant(args) => &args.data,
            Self::EndGrant(args) => &args.data,
            Self::Grants(args) => &args.data,
            Self::Erase(args) => &args.data,
        }
    }
}

/// `lastmile office devices`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office devices\n  lastmile office devices --scope 430103 --json")]
pub struct Devices {
    /// Only devices of this place
    #[arg(long, value_name = "CODE")]
    pub scope: Option<PlaceCode>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office rename`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office rename 6ffadc765025ae0483d4c7df93ff4e81 '宝塔山 平板 2'")]
pub struct Rename {
    /// The device's author, as `office devices` lists it
    #[arg(value_name = "AUTHOR")]
    pub author: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office assign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples (AUTHOR stands for 32 hexadecimal digits):
  lastmile office assign AUTHOR --scope 430104008008
  lastmile office assign AUTHOR --person 0192f3a4-5b6c-7d8e-9f01-23456789abcd --role secretary --until 2027-12-31

What is not named stays. What the device holds of a community that is taken away is uploaded, then gone from it.")]
pub struct Assign {
    /// The device's author, as `office devices` lists it
    #[arg(value_name = "AUTHOR")]
    pub author: String,
    /// Community that the device will hold; repeatable
    #[arg(long, value_name = "CODE")]
    pub scope: Vec<PlaceCode>,
    /// Role of those who use it; repeatable
    #[arg(long)]
    pub role: Vec<Role>,
    /// Person who uses it, by whole id; repeatable
    #[arg(long, value_name = "ID")]
    pub person: Vec<uuid::Uuid>,
    /// Last day on which it may be used
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub until: Option<NaiveDate>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office revoke 6ffadc765025ae0483d4c7df93ff4e81 --why 手机丢失")]
pub struct Revoke {
    /// The device's author, as `office devices` lists it
    #[arg(value_name = "AUTHOR")]
    pub author: String,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office invites`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office invites\n  lastmile office invites --json")]
pub struct Invites {
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office withdraw`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office withdraw 3f09ab12c4d5")]
pub struct Withdraw {
    /// The invitation, as `office invites` lists it
    #[arg(value_name = "INVITE")]
    pub invite: String,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office grant`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile office grant 0192f3a4 --role secretary --scope 430103005010
  lastmile office grant 0192f3a4 --role street --scope 430103005 --until 2027-12-31")]
pub struct Grant {
    /// The person
    #[arg(value_name = "ID")]
    pub person: RecordRef,
    /// The role
    #[arg(long)]
    pub role: Role,
    /// The part of the city: 4 to 15 digits
    #[arg(long, value_name = "CODE")]
    pub scope: PlaceCode,
    /// First day
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub since: Option<NaiveDate>,
    /// Last day
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub until: Option<NaiveDate>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office end-grant`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lastmile office end-grant 0192f3a4 --role secretary --scope 430103005010 --until 2026-12-31"
)]
pub struct EndGrant {
    /// The person
    #[arg(value_name = "ID")]
    pub person: RecordRef,
    /// The role
    #[arg(long)]
    pub role: Role,
    /// The part of the city
    #[arg(long, value_name = "CODE")]
    pub scope: PlaceCode,
    /// Last day [default: yesterday]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub until: Option<NaiveDate>,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office grants`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lastmile office grants 0192f3a4")]
pub struct Grants {
    /// The person
    #[arg(value_name = "ID")]
    pub person: RecordRef,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}

/// `lastmile office erase`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lastmile office erase 0192f3a4 --why 本人要求删除

It cannot be undone. What counts need (status, dates of states) stays; devices carry it out at their next contact.")]
pub struct Erase {
    /// The record
    #[arg(value_name = "ID")]
    pub id: RecordRef,
    /// Its type [default: person]
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<String>,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Where the data lies.
    #[command(flatten)]
    pub data: DataDir,
}
