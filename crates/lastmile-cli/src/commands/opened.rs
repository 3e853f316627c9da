//! Opening what a command works on, and saying in the program's words why it failed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastmile_client::{ClientError, Distrust, Replica, ReplicaOptions};
use lastmile_model::{Catalogue, ChangeHash, RecordId, Scope};
use lastmile_protocol::Code;
use lastmile_store::query::{Query, Test};
use lastmile_store::sqlite::{OpenOptions, SqliteStorage};
use lastmile_store::storage::Cell;
use lastmile_store::{Reader, StoreError};
use uuid::Uuid;

use crate::args::DataDir;
use crate::args::values::RecordRef;
use crate::dirs::Holder;
use crate::error::{CliError, Exit};
use crate::messages::{Language, key};
use crate::output::Output;

/// Says what a store refused.
pub(crate) fn store_error(error: StoreError) -> CliError {
    let new = |exit, key| CliError::new(exit, key).with("reason", &error);
    let named = match &error {
        StoreError::DiskFull => new(Exit::Storage, key!("error.disk_full")),
        StoreError::NoRoom { path } => new(Exit::Storage, key!("error.no_room")).with("file", path.display()),
        StoreError::ReadOnly { path } => new(Exit::Storage, key!("error.read_only")).with("file", path.display()),
        StoreError::InUse { path } => new(Exit::Storage, key!("error.in_use")).with("file", path.display()),
        StoreError::Newer { path, .. } => new(Exit::Storage, key!("error.newer")).with("file", path.display()),
        StoreError::NotAReplica { path } => {
            new(Exit::NotFound, key!("error.not_a_replica")).with("file", path.display())
        }
        StoreError::NoEncryption => {
            CliError::new(Exit::Storage, key!("error.no_encryption")).cure(key!("cure.no_encryption"))
        }
        StoreError::WrongKey { path } => new(Exit::Storage, key!("error.wrong_key")).with("file", path.display()),
        StoreError::NoType { name } => new(Exit::NotFound, key!("error.no_type")).with("type", name),
        StoreError::NoColumn { record_type, column } => {
            new(Exit::NotFound, key!("error.no_field")).with("type", record_type).with("field", column)
        }
        StoreError::NoRecord { id, .. } => new(Exit::NotFound, key!("error.no_record")).with("id", id),
        StoreError::Damaged { .. } | StoreError::BadBatch(_) => {
            new(Exit::Damage, key!("error.damaged")).cure(key!("cure.damaged"))
        }
        StoreError::Edit(_) | StoreError::Pack(_) | StoreError::Limit { .. } | StoreError::Erased { .. } => {
            new(Exit::Refused, key!("error.not_saved"))
        }
        _ => new(Exit::Storage, key!("error.storage")),
    };
    named.because(error)
}

/// Says what a device refused.
pub(super) fn client_error(error: ClientError, language: Language) -> CliError {
    match error {
        ClientError::Store(error) => store_error(error),
        ClientError::Invalid(problems) => {
            let texts: Vec<String> = problems
                .iter()
                .map(|problem| if language == Language::Chinese { problem.zh() } else { problem.en() })
                .collect();
            CliError::new(Exit::Refused, key!("error.invalid")).with("problems", texts.join("\n  "))
        }
        ClientError::NotNow { ref event, ref state, .. } => {
            CliError::new(Exit::Refused, key!("error.not_now")).with("event", event).with("state", state)
        }
        ClientError::NotPermitted { ref record_type, ref operation } => {
            CliError::new(Exit::NotPermitted, key!("error.no_role"))
                .with("type", record_type)
                .with("operation", operation)
        }
        ClientError::NotAttachable { ref record_type } => {
            CliError::new(Exit::Refused, key!("attachment.no.place_of_record")).with("type", record_type)
        }
        ClientError::FileNotTaken(refused) => super::attachments::not_taken(refused),
        ClientError::NoReplica { ref folder } => CliError::new(Exit::NotFound, key!("error.no_replica"))
            .with("folder", folder.display())
            .cure(key!("cure.no_replica")),
        ClientError::Exists { ref folder } => {
            CliError::new(Exit::Refused, key!("error.replica_exists")).with("folder", folder.display())
        }
        ClientError::Unreachable { ref relay, ref reason, .. } => {
            CliError::new(Exit::Network, key!("error.unreachable"))
                .with("relay", relay)
                .with("reason", reason)
                .cure(key!("cure.unreachable"))
        }
        ClientError::BrokenOff { ref relay, .. } => {
            CliError::new(Exit::Network, key!("error.broken_off")).with("relay", relay).cure(key!("cure.broken_off"))
        }
        ClientError::Session(error) => CliError::new(Exit::Network, key!("error.session"))
            .with("reason", &error)
            .cure(key!("cure.broken_off"))
            .because(error),
        ClientError::NotARelay { ref relay, ref found } => CliError::new(Exit::Network, key!("error.not_a_relay"))
            .with("relay", relay)
            .with("found", found)
            .cure(key!("cure.not_a_relay")),
        ClientError::Untrusted { ref relay, why } => distrusted(why).with("relay", relay),
        ClientError::ClearText(ref address) => CliError::new(Exit::Refused, key!("error.clear_text"))
            .with("address", address)
            .cure(key!("cure.clear_text")),
        ClientError::NoTrustStore { ref relay, ref reason } => CliError::new(Exit::Network, key!("tls.no_trust_store"))
            .with("relay", relay)
            .with("reason", reason)
            .cure(key!("tls.cure.no_trust_store")),
        ClientError::BadPin => CliError::new(Exit::Storage, key!("tls.bad_pin")),
        ClientError::Refused { code, .. } => code_error(code),
        ClientError::NotABundle { ref path } => {
            CliError::new(Exit::Refused, key!("error.not_a_bundle")).with("file", path.display())
        }
        ClientError::DamagedBundle { ref path, ref source } => {
            CliError::new(Exit::Damage, key!("error.damaged_bundle"))
                .with("file", path.display())
                .with("reason", source)
                .cure(key!("cure.damaged_bundle"))
        }
        ClientError::File { path, source } => file_error(&path, source),
        ClientError::BadKey { ref path } => {
            CliError::new(Exit::Storage, key!("error.bad_key")).with("file", path.display()).cure(key!("cure.bad_key"))
        }
        ClientError::OtherKey { ref path } => CliError::new(Exit::Storage, key!("error.other_key"))
            .with("file", path.display())
            .cure(key!("cure.other_key")),
        ClientError::NoScopeFor { ref record_type } => {
            CliError::new(Exit::Refused, key!("error.no_scope")).with("type", record_type)
        }
        ClientError::BadAddress(ref address) => {
            CliError::new(Exit::Refused, key!("error.bad_address")).with("address", address)
        }
        ClientError::OfficeKey => CliError::new(Exit::Storage, key!("error.office_key")),
        ClientError::NoRandomness => CliError::new(Exit::Failed, key!("error.no_randomness")),
    }
}

/// Says why whoever answered was not believed to be the relay.
fn distrusted(why: Distrust) -> CliError {
    let new = |key, cure| CliError::new(Exit::Network, key).cure(cure);
    match why {
        Distrust::OtherAuthority => new(key!("tls.other_authority"), key!("tls.cure.other_network")),
        Distrust::UnknownIssuer => new(key!("tls.unknown_issuer"), key!("tls.cure.new_invite")),
        Distrust::Expired => new(key!("tls.expired"), key!("tls.cure.clock")),
        Distrust::NotYetValid => new(key!("tls.not_yet_valid"), key!("tls.cure.clock")),
        Distrust::WrongName => new(key!("tls.wrong_name"), key!("tls.cure.address")),
        Distrust::NotTls => new(key!("tls.not_tls"), key!("cure.not_a_relay")),
        Distrust::TooOld => new(key!("tls.too_old"), key!("tls.cure.other_network")),
        Distrust::Bad => new(key!("tls.bad"), key!("tls.cure.other_network")),
    }
}

/// Says why a file of a folder could not be read or written.
pub(super) fn file_error(path: &Path, source: std::io::Error) -> CliError {
    use std::io::ErrorKind;
    let named = match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            CliError::new(Exit::Storage, key!("error.read_only"))
        }
        ErrorKind::StorageFull => CliError::new(Exit::Storage, key!("error.disk_full")),
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => CliError::new(Exit::Storage, key!("error.no_room")),
        _ => return CliError::reading(path, source),
    };
    named.with("file", path.display()).because(source)
}

/// Says what a relay's code means for the one at the device.
fn code_error(code: Code) -> CliError {
    let new = CliError::new;
    let named = match code {
        Code::VersionMismatch | Code::UnknownFrame => {
            new(Exit::Failed, key!("relay_code.version")).cure(key!("relay_code.cure.version"))
        }
        Code::WrongDeployment => {
            new(Exit::NotPermitted, key!("relay_code.deployment")).cure(key!("relay_code.cure.deployment"))
        }
        Code::UnknownAuthor | Code::BadSignature => {
            new(Exit::NotPermitted, key!("relay_code.unknown")).cure(key!("relay_code.cure.invite"))
        }
        Code::WrongEpoch => new(Exit::NotPermitted, key!("relay_code.epoch")).cure(key!("relay_code.cure.deployment")),
        Code::WrongClock => new(Exit::NotPermitted, key!("relay_code.clock")).cure(key!("relay_code.cure.clock")),
        Code::Revoked => new(Exit::NotPermitted, key!("relay_code.revoked")).cure(key!("relay_code.cure.office")),
        Code::BadToken => new(Exit::NotPermitted, key!("relay_code.token")).cure(key!("relay_code.cure.invite")),
        Code::Busy | Code::Internal | Code::CannotStore | Code::Repeated => {
            new(Exit::Network, key!("relay_code.later")).cure(key!("cure.unreachable"))
        }
        _ => new(Exit::Failed, key!("error.relay_refused")),
    };
    named.with("reason", code)
}

/// The folder that a command's options name.
pub(super) fn folder(data: &DataDir, holder: Holder) -> Result<PathBuf, CliError> {
    if holder == Holder::Relay && data.key_file.is_some() {
        return Err(CliError::new(Exit::Usage, key!("error.relay_has_no_key")));
    }
    data.resolve(holder).ok_or_else(|| CliError::new(Exit::Usage, key!("error.no_folder")))
}

/// Reads the key of an encrypted device, if a file with one is named.
pub(super) fn key_of(data: &DataDir) -> Result<Option<[u8; 32]>, CliError> {
    let Some(file) = data.key_file() else { return Ok(None) };
    let text = std::fs::read_to_string(&file).map_err(|error| CliError::reading(&file, error))?;
    let key: ChangeHash = text.trim().parse().map_err(|_| {
        CliError::new(Exit::Refused, key!("error.bad_key_file"))
            .with("file", file.display())
            .cure(key!("cure.bad_key_file"))
    })?;
    Ok(Some(key.0))
}

/// How a device of this command is opened.
pub(super) fn replica_options(data: &DataDir) -> Result<ReplicaOptions, CliError> {
    Ok(ReplicaOptions { key: key_of(data)?, ..ReplicaOptions::default() })
}

/// Opens the device's replica.
pub(super) fn replica(data: &DataDir, output: &Output) -> Result<Replica, CliError> {
    let folder = folder(data, Holder::Device)?;
    Replica::open(&folder, replica_options(data)?).map_err(|error| client_error(error, output.messages().language()))
}

/// The database of a device or a relay, whichever the folder holds.
pub(super) fn file_of(data: &DataDir, holder: Holder) -> Result<PathBuf, CliError> {
    let folder = data.resolve(holder).ok_or_else(|| CliError::new(Exit::Usage, key!("error.no_folder")))?;
    let file = [folder.join("replica.db"), folder.join("relay.db")].into_iter().find(|file| file.exists());
    file.ok_or_else(|| {
        CliError::new(Exit::NotFound, key!("error.no_replica"))
            .with("folder", folder.display())
            .cure(key!("cure.no_replica"))
    })
}

/// The key that opens a file: a device's; the relay's file has none.
pub(super) fn key_for(data: &DataDir, file: &Path) -> Result<Option<[u8; 32]>, CliError> {
    if file.ends_with("replica.db") { key_of(data) } else { Ok(None) }
}

/// Opens a reader on a replica's file.
pub(super) fn reader_of(file: &Path, key: Option<[u8; 32]>) -> Result<Reader, StoreError> {
    let catalogue = Catalogue::builtin();
    let storage = SqliteStorage::open_reader(file, &OpenOptions { key, ..OpenOptions::default() }, catalogue)?;
    Reader::new(storage, Arc::new(catalogue.clone()))
}

/// Opens a reader on the replica of a device or a relay, whichever the folder holds.
pub(super) fn reader(data: &DataDir, holder: Holder) -> Result<Reader, CliError> {
    let file = file_of(data, holder)?;
    reader_of(&file, key_for(data, &file)?).map_err(store_error)
}

/// A runtime for the commands that speak with others.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::new(Exit::Failed, key!("error.runtime")).because(error))
}

/// A record found by the beginning of its id.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub record_type: String,
    pub id: RecordId,
    pub scope: Scope,
}

/// The lowest and highest id that begin with these hexadecimal digits.
fn bounds(digits: &str) -> (Vec<u8>, Vec<u8>) {
    let fill = |filler: char| {
        let mut text = digits.to_owned();
        text.extend(std::iter::repeat_n(filler, 32usize.saturating_sub(digits.len())));
        Uuid::try_parse(&text).map_or_else(|_| Vec::new(), |id| id.as_bytes().to_vec())
    };
    (fill('0'), fill('f'))
}

/// Finds the one record whose id begins so; of one type, or of any.
pub(super) fn find_record(reader: &mut Reader, id: &RecordRef, record_type: Option<&str>) -> Result<Found, CliError> {
    let scopes = reader.scopes().map_err(store_error)?;
    let (low, high) = bounds(id.digits());
    let catalogue = Arc::clone(reader.catalogue());
    let mut found: Vec<Found> = Vec::new();
    for (type_no, known) in catalogue.types().iter().enumerate() {
        if record_type.is_some_and(|wanted| wanted != known.name) {
            continue;
        }
        let mut query = Query::new(type_no, &[]).filter("id", Test::AtLeast, Cell::Blob(low.clone().into())).filter(
            "id",
            Test::AtMost,
            Cell::Blob(high.clone().into()),
        );
        query.limit = Some(20);
        for row in reader.rows(&query).map_err(store_error)? {
            let scope = scopes.iter().find(|(no, _)| *no == row.scope).map(|(_, scope)| scope.clone());
            found.extend(scope.map(|scope| Found { record_type: known.name.clone(), id: row.id, scope }));
        }
    }
    let first = found.first().cloned();
    let ids: std::collections::BTreeSet<RecordId> = found.iter().map(|one| one.id).collect();
    match (first, ids.len()) {
        (Some(first), 1) => Ok(first),
        (Some(_), _) => {
            let list: Vec<String> = ids.iter().take(8).map(ToString::to_string).collect();
            Err(CliError::new(Exit::NotFound, key!("error.several_records")).with("ids", list.join(" ")))
        }
        (None, _) => Err(CliError::new(Exit::NotFound, key!("error.no_record")).with("id", id.digits())),
    }
}
