//! `office`: devices, invitations, roles of people, erasing: what a line stands for, and what is told of the answer.

use lastmile_relay::{DeviceView, GrantView, InviteView, OfficeAnswer, OfficeCommand};
use uuid::Uuid;

use super::office::one;
use super::relay::{end_of, role_code, scope_of};
use super::shown::instant;
use crate::args::rights::Rights;
use crate::args::values::RecordRef;
use crate::error::CliError;
use crate::messages::key;
use crate::output::{Column, Output, Table};

/// The command that a line stands for.
pub(super) fn command_of(rights: &Rights) -> Result<OfficeCommand, CliError> {
    let data = rights.data();
    let person = |id: &RecordRef| one(data, id, Some("person"));
    let text = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string());
    Ok(match rights {
        Rights::Devices(args) => {
            OfficeCommand::Devices { within: args.scope.as_ref().map(|code| code.as_str().to_owned()) }
        }
        Rights::Rename(args) => OfficeCommand::Rename { author: args.author.clone(), name: args.name.clone() },
        Rights::Assign(args) => {
            let named = |persons: &[Uuid]| (!persons.is_empty()).then(|| persons.to_vec());
            let scopes: Vec<String> = args.scope.iter().map(scope_of).collect();
            let roles: Vec<String> = args.role.iter().map(|role| role_code(*role).to_owned()).collect();
            OfficeCommand::Reassign {
                author: args.author.clone(),
                persons: named(&args.person),
                roles: (!roles.is_empty()).then_some(roles),
                scopes: (!scopes.is_empty()).then_some(scopes),
                until_ms: args.until.map(end_of),
            }
        }
        Rights::Revoke(args) => OfficeCommand::Revoke { author: args.author.clone(), reason: args.reason.why.clone() },
        Rights::Invites(_) => OfficeCommand::Invites,
        Rights::Withdraw(args) => OfficeCommand::Withdraw { invite: args.invite.clone() },
        Rights::Grant(args) => OfficeCommand::Grant {
            person: person(&args.person)?,
            role: role_code(args.role).to_owned(),
            scope: args.scope.as_str().to_owned(),
            since: text(args.since),
            until: text(args.until),
        },
        Rights::EndGrant(args) => OfficeCommand::EndGrant {
            person: person(&args.person)?,
            role: role_code(args.role).to_owned(),
            scope: args.scope.as_str().to_owned(),
            until: text(args.until),
        },
        Rights::Grants(args) => OfficeCommand::Grants { person: person(&args.person)? },
        Rights::Erase(args) => OfficeCommand::Erase {
            id: one(data, &args.id, Some(args.record_type.as_deref().unwrap_or("person")))?,
            record_type: args.record_type.clone(),
            reason: args.reason.why.clone(),
        },
    })
}

/// Tells an answer about rights; false where it is about something else.
pub(super) fn tell(answer: &OfficeAnswer, output: &mut Output) -> Result<bool, CliError> {
    match answer {
        OfficeAnswer::Devices { devices } => tell_devices(devices, output)?,
        OfficeAnswer::Device { author, device } => {
            let said = [("author", author.clone()), ("device", device.clone())];
            output.say(key!("office.device_certified"), &said)?;
        }
        OfficeAnswer::Revoked { authors } => {
            output.say(key!("office.revoked"), &[("count", authors.len().to_string())])?;
        }
        OfficeAnswer::Invites { invites } => tell_invites(invites, output)?,
        OfficeAnswer::Withdrawn { invite } => output.say(key!("office.withdrawn"), &[("invite", invite.clone())])?,
        OfficeAnswer::Granted { person, role, scope, until } => {
            let said = [("id", person.to_string()), ("role", role.clone()), ("scope", scope.clone())];
            output.say(key!("office.granted"), &said)?;
            if let Some(until) = until {
                output.say(key!("office.granted_until"), &[("until", until.clone())])?;
            }
        }
        OfficeAnswer::Grants { grants } => tell_grants(grants, output)?,
        OfficeAnswer::Erased { records } => {
            output.say(key!("office.erased"), &[("count", records.len().to_string())])?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn tell_devices(devices: &[DeviceView], output: &mut Output) -> Result<(), CliError> {
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("office.author"))),
        Column::text(output.messages().plain(key!("office.device"))),
        Column::text(output.messages().plain(key!("office.roles"))),
        Column::text(output.messages().plain(key!("office.scope"))),
        Column::text(output.messages().plain(key!("office.last_contact"))),
        Column::text(output.messages().plain(key!("office.until"))),
    ]);
    for device in devices {
        let until = if device.revoked {
            output.messages().plain(key!("office.is_revoked")).to_owned()
        } else {
            device.until_ms.map(instant).unwrap_or_default()
        };
        table.row([
            device.author.as_str().into(),
            device.device.as_str().into(),
            device.roles.join(" ").into(),
            device.scopes.join(" ").into(),
            device.last_contact_ms.map(instant).unwrap_or_default().into(),
            until.into(),
        ]);
    }
    output.table(&table)?;
    for device in devices {
        if let Some(ahead_ms) = device.clock_ahead_ms {
            let minutes = (ahead_ms / 60_000).to_string();
            let said = [("device", device.device.clone()), ("author", device.author.clone()), ("minutes", minutes)];
            output.say(key!("office.clock_ahead"), &said)?;
        }
    }
    Ok(())
}

fn tell_invites(invites: &[InviteView], output: &mut Output) -> Result<(), CliError> {
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("office.invite"))),
        Column::text(output.messages().plain(key!("office.device"))),
        Column::text(output.messages().plain(key!("office.roles"))),
        Column::text(output.messages().plain(key!("office.scope"))),
        Column::text(output.messages().plain(key!("office.until"))),
        Column::text(output.messages().plain(key!("office.invite_state"))),
    ]);
    for invite in invites {
        let state = match (invite.used, invite.withdrawn) {
            (true, _) => key!("office.invite_used"),
            (_, true) => key!("office.invite_withdrawn"),
            _ => key!("office.invite_open"),
        };
        table.row([
            invite.invite.as_str().into(),
            invite.device.as_str().into(),
            invite.roles.join(" ").into(),
            invite.scopes.join(" ").into(),
            instant(invite.expires_ms).into(),
            output.messages().plain(state).into(),
        ]);
    }
    output.table(&table)
}

fn tell_grants(grants: &[GrantView], output: &mut Output) -> Result<(), CliError> {
    let mut table = Table::new(vec![
        Column::text(output.messages().plain(key!("office.roles"))),
        Column::text(output.messages().plain(key!("office.scope"))),
        Column::text(output.messages().plain(key!("office.since"))),
        Column::text(output.messages().plain(key!("office.until"))),
    ]);
    for grant in grants {
        table.row([
            grant.role.as_str().into(),
            grant.scope.as_str().into(),
            grant.since.clone().unwrap_or_default().into(),
            grant.until.clone().unwrap_or_default().into(),
        ]);
    }
    output.table(&table)
}
