//! Going on as another author: what a device does that was restored or copied.

use lastmile_log::{AuthorKey, Certificate, Deployment, Issuer};
use lastmile_model::{AuthorId, Scope};
use lastmile_store::Store;

use crate::ClientError;
use crate::clock::{Clock, random};
use crate::folder::Folder;

/// The author that a device is, and those that it was before it was restored or copied.
pub(crate) fn own_authors(store: &Store, author: AuthorId) -> Vec<AuthorId> {
    let mut own = vec![author];
    while let Some(trust) = store.trust()
        && let Some(last) = own.last()
        // The office may have certified the author since, which does not make it another device.
        && let Some(before) = trust.certificates(*last).find_map(|known| match known.issuer {
            Issuer::Predecessor(before) => Some(before),
            _ => None,
        })
        && !own.contains(&before)
    {
        own.push(before);
    }
    own
}

/// Whether copies of this device wrote in an author's log, and more than one side of it is held here.
pub(crate) fn has_parted(store: &Store, author: AuthorId) -> bool {
    let parted = |(_, scope): (u32, &Scope)| {
        store.vector(scope).entries().filter(|entry| entry.segment.author == author).nth(1).is_some()
    };
    store.scopes().any(parted)
}

/// Seals every log of the old author as it stands and goes on under a new one that the old one certifies.
pub(crate) fn succeed(
    place: &Folder,
    store: &mut Store,
    old: &AuthorKey,
    deployment: &Deployment,
    clock: &dyn Clock,
) -> Result<AuthorKey, ClientError> {
    let author = old.author(deployment);
    let scopes: Vec<Scope> = store.scopes().map(|(_, scope)| scope.clone()).collect();
    let Some(before) = store.trust().and_then(|trust| trust.certificate(author).cloned()) else {
        return Err(ClientError::OtherKey { path: place.key_file() });
    };
    for scope in &scopes {
        store.seal(old, scope)?;
    }
    let key = AuthorKey::from_seed(&random(clock)?);
    let successor = Certificate {
        public: key.public(),
        from_ms: clock.now_ms(),
        issuer: Issuer::Predecessor(author),
        signature: [0; 64],
        consent: None,
        ..before
    };
    store.add_certificates(&[successor.succeeding(old, &key, deployment)])?;
    place.keep_key(&key)?;
    tracing::warn!(old = %author, new = %key.author(deployment), "the replica was restored or copied; going on as a new author");
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lastmile_model::Catalogue;
    use lastmile_store::memory::MemoryStorage;

    use super::*;

    #[test]
    fn a_device_remembers_who_it_was_though_the_office_certified_it_anew() {
        let [root, office, first, second] = [1, 2, 3, 4].map(|byte| AuthorKey::from_seed(&[byte; 32]));
        let deployment = Deployment { id: [9; 16], root: root.public() };
        let certificate = |of: &AuthorKey, by: &AuthorKey, issuer, from_ms| {
            let certificate = Certificate {
                public: of.public(),
                device: String::new(),
                persons: Vec::new(),
                roles: Vec::new(),
                scopes: Vec::new(),
                from_ms,
                until_ms: None,
                issuer,
                signature: [0; 64],
                consent: None,
            };
            match issuer {
                Issuer::Predecessor(_) => certificate.succeeding(by, of, &deployment),
                _ => certificate.signed(by, &deployment),
            }
        };
        let by_office = Issuer::Office(office.author(&deployment));
        let certificates = [
            certificate(&office, &root, Issuer::Root, 0),
            certificate(&first, &office, by_office, 1),
            certificate(&second, &first, Issuer::Predecessor(first.author(&deployment)), 2),
            certificate(&second, &office, by_office, 3),
        ];
        let catalogue = Arc::clone(Catalogue::shared_builtin());
        let mut store = Store::new(Box::new(MemoryStorage::new(&catalogue)), catalogue).unwrap();
        store.set_deployment(&deployment).unwrap();
        store.add_certificates(&certificates).unwrap();
        let (first, second) = (first.author(&deployment), second.author(&deployment));
        assert_eq!(own_authors(&store, second), [second, first]);
    }
}
