//! Making a replica from an invite.

use std::path::Path;
use std::sync::Arc;

use lastmile_log::{Certificate, Invite, Issuer, Trust};
use lastmile_model::Catalogue;
use lastmile_protocol::Code;
use lastmile_protocol::enrol::{enrol_request, read_enrolled_response};
use lastmile_store::sqlite::{OpenOptions, open};
use lastmile_store::{SetUp, Store};

use super::{LABEL, MARK, OFFICE_KEY, PIN, RELAY, Replica, ReplicaOptions, transport_to};
use tokio::sync::watch;

use crate::ClientError;
use crate::clock::random;
use crate::folder::{Folder, new_mark};
use crate::transport::Transport;

impl Replica {
    /// Makes a replica in a new folder and enrols it with an invite.
    ///
    /// An invite is good for one key, and the relay may have used it though its answer was lost. So the key is kept in the folder
    /// before the invite goes out: trying again with the same invite and folder goes on with it.
    ///
    /// # Errors
    /// When the folder is taken, the relay cannot be reached or refuses. Nothing but that key is left behind, and not even that
    /// when the invite did not go out or was refused for good.
    pub async fn enrol(
        folder: &Path,
        invite: &Invite,
        label: &str,
        options: ReplicaOptions,
    ) -> Result<Self, ClientError> {
        let place = Folder::new(folder);
        if place.holds_replica() {
            return Err(ClientError::Exists { folder: folder.to_owned() });
        }
        let transport = transport_to(&invite.relay, invite.pin, &options)?;
        let new = !folder.exists();
        place.create()?;
        let (key, first_try) = place.enrolment_key(&invite.token, options.clock.as_ref())?;
        let now_ms = options.clock.now_ms();
        let deployment = invite.deployment;
        let not_a_relay = |found: String| ClientError::NotARelay { relay: invite.relay.clone(), found };
        let body = enrol_request(&key, &deployment, invite.token, label, now_ms, random(options.clock.as_ref())?)
            .map_err(|error| not_a_relay(error.to_string()))?;
        let certificates = match certificates_for(transport.as_ref(), invite, body).await {
            Ok(certificates) => certificates,
            Err(error) => {
                if is_no_use_again(&error, first_try) {
                    place.give_up_enrolment(&invite.token, new)?;
                }
                return Err(error);
            }
        };
        let catalogue = Catalogue::builtin();
        let open_options = OpenOptions { key: options.key, ..OpenOptions::default() };
        let storage = open(&place.database(), &open_options, catalogue)?;
        let catalogue = Arc::new(catalogue.clone());
        let mut store = Store::new(storage, Arc::clone(&catalogue))?;
        let mut trust = Trust::new(deployment);
        for certificate in &certificates {
            trust.add(certificate.clone());
        }
        let Some(certificate) = trust.certificate(key.author(&deployment)) else {
            return Err(not_a_relay("certificates that do not lead to the invite's root".to_owned()));
        };
        let epoch = match certificate.issuer {
            Issuer::Office(epoch) => Some(epoch),
            _ => None,
        };
        let mark = new_mark(options.clock.as_ref())?;
        let mut settings: Vec<(&str, &[u8])> = vec![
            (RELAY, invite.relay.as_bytes()),
            (OFFICE_KEY, &invite.office_key),
            (LABEL, label.as_bytes()),
            (MARK, mark.as_bytes()),
        ];
        settings.extend(invite.pin.as_ref().map(|pin| (PIN, pin.as_slice())));
        store.set_up(&SetUp {
            deployment: &deployment,
            certificates: &certificates,
            scopes: &certificate.scopes,
            epoch,
            settings: &settings,
        })?;
        place.keep_mark(&mark)?;
        // The key comes last: only with it the folder counts as a replica.
        place.keep_key(&key)?;
        place.give_up_enrolment(&invite.token, false)?;
        Self::assemble(place, options, catalogue, key, deployment, store, invite.relay.clone())
    }
}

/// Asks the relay for the certificates that lead from a new key to root.
async fn certificates_for(
    transport: &dyn Transport,
    invite: &Invite,
    body: Vec<u8>,
) -> Result<Vec<Certificate>, ClientError> {
    let answer = transport.post("/v1/enrol", body, &watch::Sender::default()).await?;
    read_enrolled_response(&answer)
        .map_err(|error| ClientError::NotARelay { relay: invite.relay.clone(), found: error.to_string() })?
        .map_err(|error| ClientError::Refused { code: error.code, retry_after_ms: error.retry_after_ms })
}

/// Whether the key of a failed enrolment can be of no use: the relay never saw it, or certified another.
const fn is_no_use_again(error: &ClientError, first_try: bool) -> bool {
    match error {
        ClientError::Unreachable { sent: 0, .. } | ClientError::Untrusted { .. } => first_try,
        ClientError::Refused { code, .. } => matches!(code, Code::BadToken),
        _ => false,
    }
}
