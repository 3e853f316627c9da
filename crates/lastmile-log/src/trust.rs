//! Whom to believe: a pure function of the set of certificates held, in whatever order they came.

use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::AuthorId;

use crate::certificate::{Certificate, Issuer};
use crate::keys::Deployment;

/// The certificates held and which of them count.
#[derive(Debug, Clone)]
pub struct Trust {
    deployment: Deployment,
    held: BTreeSet<Certificate>,
    accepted: BTreeMap<AuthorId, Certificate>,
}

impl Trust {
    /// Trusts the deployment's root and nobody yet.
    #[must_use]
    pub const fn new(deployment: Deployment) -> Self {
        Self { deployment, held: BTreeSet::new(), accepted: BTreeMap::new() }
    }

    /// The deployment.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Keeps a certificate; returns whether its author is certified now. One whose issuer is unknown counts later, when the issuer is
    /// certified.
    pub fn add(&mut self, certificate: Certificate) -> bool {
        let author = certificate.author(&self.deployment);
        if self.held.insert(certificate) {
            self.settle();
        }
        self.accepted.contains_key(&author)
    }

    /// Works out from all certificates who counts. Of several for one author the nearest to root counts, then the smallest.
    fn settle(&mut self) {
        let mut accepted: BTreeMap<AuthorId, Certificate> = BTreeMap::new();
        loop {
            let mut round: BTreeMap<AuthorId, Certificate> = BTreeMap::new();
            for certificate in &self.held {
                let author = certificate.author(&self.deployment);
                if !accepted.contains_key(&author) && !round.contains_key(&author) && self.holds(certificate, &accepted) {
                    round.insert(author, certificate.clone());
                }
            }
            if round.is_empty() {
                break;
            }
            accepted.extend(round);
        }
        self.accepted = accepted;
    }

    fn holds(&self, certificate: &Certificate, accepted: &BTreeMap<AuthorId, Certificate>) -> bool {
        match certificate.issuer {
            Issuer::Root => certificate.verify(&self.deployment.root, &self.deployment),
            Issuer::Office(office) => accepted.get(&office).is_some_and(|issuer| {
                issuer.issuer == Issuer::Root && certificate.verify(&issuer.public, &self.deployment)
            }),
            Issuer::Predecessor(before) => accepted.get(&before).is_some_and(|issuer| {
                let same = issuer.issuer != Issuer::Root
                    && issuer.persons == certificate.persons
                    && issuer.roles == certificate.roles
                    && issuer.scopes == certificate.scopes
                    && issuer.until_ms == certificate.until_ms;
                same && certificate.verify(&issuer.public, &self.deployment)
            }),
        }
    }

    /// The public key of a certified author.
    #[must_use]
    pub fn public_key(&self, author: AuthorId) -> Option<[u8; 32]> {
        self.accepted.get(&author).map(|certificate| certificate.public)
    }

    /// Whether root has certified this author as an office author.
    #[must_use]
    pub fn is_office(&self, author: AuthorId) -> bool {
        self.accepted.get(&author).is_some_and(|certificate| certificate.issuer == Issuer::Root)
    }

    /// The certificate that counts for an author.
    #[must_use]
    pub fn certificate(&self, author: AuthorId) -> Option<&Certificate> {
        self.accepted.get(&author)
    }

    /// Every certified author with its certificate.
    pub fn authors(&self) -> impl Iterator<Item = (AuthorId, &Certificate)> {
        self.accepted.iter().map(|(author, certificate)| (*author, certificate))
    }

    /// The certificates that lead from an author to root, root's first.
    #[must_use]
    pub fn chain_of(&self, author: AuthorId) -> Vec<Certificate> {
        let mut chain = Vec::new();
        let mut next = Some(author);
        while let Some(certificate) = next.and_then(|author| self.accepted.get(&author)) {
            chain.push(certificate.clone());
            next = match certificate.issuer {
                Issuer::Root => None,
                Issuer::Office(author) | Issuer::Predecessor(author) => Some(author),
            };
        }
        chain.reverse();
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::AuthorKey;

    fn key(byte: u8) -> AuthorKey {
        AuthorKey::from_seed(&[byte; 32])
    }

    fn certificate(of: &AuthorKey, issuer: Issuer) -> Certificate {
        Certificate {
            public: of.public(),
            device: "tablet".to_owned(),
            persons: Vec::new(),
            roles: vec!["worker".to_owned()],
            scopes: Vec::new(),
            from_ms: 0,
            until_ms: None,
            issuer,
            signature: [0; 64],
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let (root, office, device, next) = (key(1), key(2), key(3), key(4));
        let deployment = Deployment { id: [9; 16], root: root.public() };
        let first = certificate(&office, Issuer::Root).signed(&root, &deployment);
        let second = certificate(&device, Issuer::Office(office.author(&deployment))).signed(&office, &deployment);
        let third = certificate(&next, Issuer::Predecessor(device.author(&deployment))).signed(&device, &deployment);
        let mut wider = certificate(&key(5), Issuer::Predecessor(device.author(&deployment)));
        wider.roles.push("secretary".to_owned());
        let wider = wider.signed(&device, &deployment);
        let mut trust = Trust::new(deployment);
        assert!(!trust.add(third));
        assert!(!trust.add(second));
        assert!(trust.add(first));
        assert!(!trust.add(wider), "a successor cannot have more roles");
        assert!(trust.is_office(office.author(&deployment)));
        assert!(!trust.is_office(device.author(&deployment)));
        assert_eq!(trust.public_key(next.author(&deployment)), Some(next.public()));
        assert_eq!(trust.chain_of(next.author(&deployment)).len(), 3);
    }

    #[test]
    fn a_device_cannot_certify_an_office_or_another_device() {
        let (root, office, device) = (key(1), key(2), key(3));
        let deployment = Deployment { id: [9; 16], root: root.public() };
        let mut trust = Trust::new(deployment);
        trust.add(certificate(&office, Issuer::Root).signed(&root, &deployment));
        trust.add(certificate(&device, Issuer::Office(office.author(&deployment))).signed(&office, &deployment));
        assert!(!trust.add(certificate(&key(6), Issuer::Root).signed(&device, &deployment)));
        let of_device = Issuer::Office(device.author(&deployment));
        assert!(!trust.add(certificate(&key(7), of_device).signed(&device, &deployment)));
    }
}
