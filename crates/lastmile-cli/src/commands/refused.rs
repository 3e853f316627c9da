//! What the relay and its office refuse, in the program's words.

use lastmile_relay::{OfficeError, RelayError};
use lastmile_web::WebError;
use lastmile_web::tls::TlsError;

use super::opened::{file_error, store_error};
use crate::error::{CliError, Exit};
use crate::messages::{Language, key};

/// Says why a relay could not do something.
pub(super) fn relay_error(error: RelayError, language: Language) -> CliError {
    let of_file = |key, path: &std::path::Path| CliError::new(Exit::Storage, key).with("file", path.display());
    let named = match error {
        RelayError::Store(error) => return store_error(error),
        RelayError::Office(error) => return office_error(error, language),
        RelayError::ReadOnly { ref path } => of_file(key!("error.read_only"), path),
        RelayError::File { path, source } => return file_error(&path, source),
        RelayError::BadKey { ref path } => of_file(key!("relay.bad_key"), path).cure(key!("relay.cure.key")),
        RelayError::KeyMissing { ref path } => of_file(key!("relay.key_missing"), path).cure(key!("relay.cure.key")),
        RelayError::DatabaseMissing { ref path } => {
            of_file(key!("relay.database_missing"), path).cure(key!("relay.cure.database"))
        }
        RelayError::OtherKey { ref path } => of_file(key!("relay.other_key"), path).cure(key!("relay.cure.key")),
        RelayError::Chain { ref path, line } => of_file(key!("relay.chain"), path).with("line", line),
        RelayError::RegisterShort { ref path, lines } => {
            of_file(key!("relay.register_short"), path).with("lines", lines).cure(key!("relay.cure.register"))
        }
        RelayError::NoBackup { ref path } => {
            CliError::new(Exit::NotFound, key!("relay.no_backup")).with("folder", path.display())
        }
        RelayError::DamagedBackup { ref path } => {
            CliError::new(Exit::Damage, key!("relay.damaged_backup")).with("file", path.display())
        }
        RelayError::NoRelay { ref path } => no_relay(path),
        RelayError::Web(ref web) => listening(web),
        RelayError::Stopping => CliError::new(Exit::Network, key!("relay.stopping")),
        RelayError::Tls(ref error) => tls_error(error),
        RelayError::BadUrl { ref url } => CliError::new(Exit::Usage, key!("relay.bad_url")).with("url", url),
        RelayError::Files { ref what, .. } => {
            CliError::new(Exit::Storage, key!("relay.files")).with("what", what).cure(key!("relay.cure.files"))
        }
        RelayError::NoBuckets { ref url } => CliError::new(Exit::Usage, key!("relay.no_buckets")).with("url", url),
        ref other => CliError::new(Exit::Failed, key!("relay.failed")).with("reason", other),
    };
    named.because(error)
}

/// Says what is wrong with a certificate or its key.
pub(super) fn tls_error(error: &TlsError) -> CliError {
    let of_file = |key, path: &std::path::Path| CliError::new(Exit::Storage, key).with("file", path.display());
    match error {
        TlsError::File { path, source } => {
            of_file(key!("error.read_file"), path).with("reason", source.kind()).cure(key!("cure.no_file"))
        }
        TlsError::NoCertificate { path } | TlsError::BadCertificate { path } => {
            of_file(key!("relay.no_certificate"), path).cure(key!("relay.cure.certificate"))
        }
        TlsError::NoKey { path } | TlsError::BadKey { path } => {
            of_file(key!("relay.no_tls_key"), path).cure(key!("relay.cure.tls_key"))
        }
        TlsError::Mismatch { certificate, key } => of_file(key!("relay.tls_mismatch"), key)
            .with("certificate", certificate.display())
            .cure(key!("relay.cure.tls_mismatch")),
        TlsError::AuthorityKeyMissing { path } => {
            of_file(key!("relay.authority_missing"), path).cure(key!("relay.cure.key"))
        }
        TlsError::BadName { name } => CliError::new(Exit::Usage, key!("relay.bad_name")).with("name", name),
        TlsError::Making { reason } => CliError::new(Exit::Failed, key!("relay.failed")).with("reason", reason),
    }
}

/// Says that a folder holds no relay.
pub(super) fn no_relay(folder: &std::path::Path) -> CliError {
    CliError::new(Exit::NotFound, key!("relay.none")).with("folder", folder.display()).cure(key!("relay.cure.none"))
}

fn listening(error: &WebError) -> CliError {
    let new = |key, addr| CliError::new(Exit::Network, key).with("address", addr);
    match error {
        WebError::InUse { addr } => new(key!("relay.address_used"), addr),
        WebError::NotPermitted { addr } => new(key!("relay.address_not_permitted"), addr),
        WebError::NotOurs { addr } => new(key!("relay.address_not_ours"), addr),
        WebError::Listen { addr, source } | WebError::Accept { addr, source } => {
            new(key!("relay.address_failed"), addr).with("reason", source)
        }
    }
}

/// Says why the office did nothing.
pub(super) fn office_error(error: OfficeError, language: Language) -> CliError {
    let refused = |key| CliError::new(Exit::Refused, key);
    match &error {
        OfficeError::NotFound { what, id } => {
            CliError::new(Exit::NotFound, key!("office.bad.not_found")).with("what", what).with("id", id)
        }
        OfficeError::BadType { name, known } => {
            refused(key!("office.bad.type")).with("name", name).with("known", known)
        }
        OfficeError::NothingOpen { id, field } => {
            CliError::new(Exit::NotFound, key!("office.bad.nothing_open")).with("id", id).with("field", field)
        }
        OfficeError::NoSuchSide { number, sides } => {
            refused(key!("office.bad.side")).with("number", number).with("sides", sides)
        }
        OfficeError::BadValue { text, zh } => {
            let text = if language == Language::Chinese { zh } else { text };
            refused(key!("office.bad.value")).with("text", text)
        }
        OfficeError::ChooseASide { field } => refused(key!("office.bad.choose")).with("field", field),
        OfficeError::Fixed { field } => refused(key!("office.bad.fixed")).with("field", field),
        OfficeError::SameRecord => refused(key!("office.bad.same_record")),
        OfficeError::OtherType { one_type, other_type, .. } => {
            refused(key!("office.bad.other_type")).with("one", one_type).with("other", other_type)
        }
        OfficeError::NoReason => refused(key!("office.bad.no_reason")),
        OfficeError::LongReason { most } => refused(key!("office.bad.long_reason")).with("most", most),
        OfficeError::WrongState { id, state, event } => {
            refused(key!("office.bad.state")).with("id", id).with("state", state).with("event", event)
        }
        OfficeError::BadDay { text } => refused(key!("office.bad.day")).with("text", text),
        OfficeError::BadScope { text } => CliError::new(Exit::NotFound, key!("office.bad.scope")).with("text", text),
        OfficeError::WidePlace => refused(key!("office.bad.wide_place")),
        OfficeError::BadCommunity { text } => refused(key!("office.bad.community")).with("text", text),
        OfficeError::BadAuthor { text, scope } => {
            CliError::new(Exit::NotFound, key!("office.bad.author")).with("text", text).with("scope", scope)
        }
        OfficeError::OfficeCommit => refused(key!("office.bad.office_commit")),
        OfficeError::BadRange { head } => refused(key!("office.bad.range")).with("head", head),
        OfficeError::NotQuarantined { in_force } => {
            refused(key!("office.bad.not_quarantined")).with("in_force", in_force)
        }
        OfficeError::NoCheckIn { person } => refused(key!("office.bad.no_check_in")).with("person", person),
        OfficeError::AlreadyThere { person } => refused(key!("office.bad.already_there")).with("person", person),
        OfficeError::BadScopes { most } => refused(key!("office.bad.scopes")).with("most", most),
        OfficeError::NoRole => refused(key!("office.bad.role")),
        OfficeError::NoDevice { text } => CliError::new(Exit::NotFound, key!("office.bad.device")).with("text", text),
        OfficeError::Revoked => refused(key!("office.bad.revoked")),
        OfficeError::NoName => refused(key!("office.bad.name")),
        OfficeError::NoInvite { text } => CliError::new(Exit::NotFound, key!("office.bad.invite")).with("text", text),
        OfficeError::WrongLevel { role, scope } => {
            refused(key!("office.bad.level")).with("role", role).with("scope", scope)
        }
        OfficeError::NoGrant { person, role, scope } => CliError::new(Exit::NotFound, key!("office.bad.grant"))
            .with("person", person)
            .with("role", role)
            .with("scope", scope),
        OfficeError::NoAddress => refused(key!("office.bad.address")).cure(key!("office.bad.address_cure")),
        OfficeError::Stopping => CliError::new(Exit::Network, key!("relay.stopping")),
        OfficeError::NotPermitted => CliError::new(Exit::NotPermitted, key!("office.bad.not_permitted")),
        other => CliError::new(Exit::Failed, key!("relay.failed")).with("reason", other),
    }
    .because(error)
}
