//! Whom to believe: a pure function of the set of certificates held, in whatever order they came.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use lastmile_model::AuthorId;

use crate::certificate::{Certificate, Issuer};
use crate::keys::Deployment;

/// The most certificates that are kept while nobody believed vouches for their issuers.
pub const MAX_WAITING: usize = 4_096;

/// What became of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It leads to root: its author is certified.
    Certified,
    /// It is kept until a certificate of its issuer gives it ground.
    Waiting,
    /// It is not kept: the signature is not the issuer's, or too many are waiting.
    Refused,
}

/// A certificate that waits for a ground.
#[derive(Debug, Clone)]
struct Waiting {
    certificate: Certificate,
    /// Whether the signature was verified; it cannot be before the issuer's key is known.
    verified: bool,
}

/// The certificates held and which of them count.
///
/// A certificate counts when a path of counting certificates leads from it to root. That only ever grows: a further
/// certificate takes nothing away, so the result does not depend on the order of arrival. When a certificate ends and
/// who was revoked is not judged here.
#[derive(Debug, Clone)]
pub struct Trust {
    deployment: Deployment,
    /// By author; never an empty set.
    counting: BTreeMap<AuthorId, BTreeSet<Certificate>>,
    /// By issuer.
    waiting: BTreeMap<AuthorId, Vec<Waiting>>,
    /// Those whom root has certified.
    offices: BTreeSet<AuthorId>,
    /// Whom an author has certified to go on for it.
    successors: BTreeMap<AuthorId, BTreeSet<AuthorId>>,
}

impl Trust {
    /// Trusts the deployment's root and nobody yet.
    #[must_use]
    pub const fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            counting: BTreeMap::new(),
            waiting: BTreeMap::new(),
            offices: BTreeSet::new(),
            successors: BTreeMap::new(),
        }
    }

    /// The deployment.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Keeps a certificate, and lets those count that waited for it.
    ///
    /// Each signature is verified once, as soon as the issuer's key is known.
    pub fn add(&mut self, certificate: Certificate) -> Standing {
        self.admit(certificate).0
    }

    /// As [`Trust::add`]; returns as well what counts since, the certificate itself among it.
    pub fn admit(&mut self, certificate: Certificate) -> (Standing, Vec<Certificate>) {
        self.admit_within(certificate, MAX_WAITING)
    }

    /// Takes certificates that were kept before, in whatever order, however many of them wait.
    pub fn restore(&mut self, certificates: Vec<Certificate>) {
        // Those of root give ground to most others, which then need not wait.
        let (by_root, others): (Vec<_>, Vec<_>) = certificates.into_iter().partition(|one| one.issuer == Issuer::Root);
        for certificate in by_root.into_iter().chain(others) {
            self.admit_within(certificate, usize::MAX);
        }
    }

    fn admit_within(&mut self, certificate: Certificate, most_waiting: usize) -> (Standing, Vec<Certificate>) {
        let refused = (Standing::Refused, Vec::new());
        if self.counting.get(&certificate.author(&self.deployment)).is_some_and(|held| held.contains(&certificate)) {
            return (Standing::Certified, Vec::new());
        }
        let Some(issuer) = certificate.issuer.author() else {
            if certificate.check().is_err() || !certificate.verify(&self.deployment.root, &self.deployment) {
                return refused;
            }
            return (Standing::Certified, self.accept(certificate));
        };
        let same = |waiting: &Waiting| waiting.certificate == certificate;
        if self.waiting.get(&issuer).is_some_and(|waiting| waiting.iter().any(same)) {
            return (Standing::Waiting, Vec::new());
        }
        if certificate.check().is_err() {
            return refused;
        }
        let mut waiting = Waiting { certificate, verified: false };
        match self.judge(issuer, &mut waiting) {
            Standing::Certified => (Standing::Certified, self.accept(waiting.certificate)),
            Standing::Waiting if self.waiting.values().map(Vec::len).sum::<usize>() < most_waiting => {
                self.waiting.entry(issuer).or_default().push(waiting);
                (Standing::Waiting, Vec::new())
            }
            _ => refused,
        }
    }

    /// Judges a certificate by what counts of its issuer.
    fn judge(&self, issuer: AuthorId, waiting: &mut Waiting) -> Standing {
        let Some(grounds) = self.counting.get(&issuer) else { return Standing::Waiting };
        let certificate = &waiting.certificate;
        if !waiting.verified {
            // The author id binds the key, so all certificates of the issuer show the same one.
            let Some(ground) = grounds.first() else { return Standing::Waiting };
            if !certificate.verify(&ground.public, &self.deployment) {
                return Standing::Refused;
            }
            waiting.verified = true;
        }
        if grounds.iter().any(|ground| is_ground(ground, certificate)) {
            Standing::Certified
        } else {
            Standing::Waiting
        }
    }

    /// Lets a certificate count, then those that it gives ground to, and so on; returns them all.
    fn accept(&mut self, certificate: Certificate) -> Vec<Certificate> {
        let mut accepted = Vec::new();
        let mut next = vec![certificate];
        while let Some(certificate) = next.pop() {
            let author = certificate.author(&self.deployment);
            accepted.push(certificate.clone());
            match certificate.issuer {
                Issuer::Root => drop(self.offices.insert(author)),
                Issuer::Office(_) => {}
                Issuer::Predecessor(before) => drop(self.successors.entry(before).or_default().insert(author)),
            }
            self.counting.entry(author).or_default().insert(certificate);
            let mut still = Vec::new();
            for mut waiting in self.waiting.remove(&author).unwrap_or_default() {
                match self.judge(author, &mut waiting) {
                    Standing::Certified => next.push(waiting.certificate),
                    Standing::Waiting => still.push(waiting),
                    Standing::Refused => {}
                }
            }
            if !still.is_empty() {
                self.waiting.insert(author, still);
            }
        }
        accepted
    }

    /// The public key of a certified author.
    #[must_use]
    pub fn public_key(&self, author: AuthorId) -> Option<[u8; 32]> {
        Some(self.counting.get(&author)?.first()?.public)
    }

    /// Whether root has certified this author as an office author.
    #[must_use]
    pub fn is_office(&self, author: AuthorId) -> bool {
        self.offices.contains(&author)
    }

    /// The office authors with the rank in which their logs go to others: those who write erasure orders before the rest, since what an
    /// order makes a stub may stand in any other log.
    #[must_use]
    pub fn office_authors(&self) -> BTreeMap<AuthorId, u8> {
        let of = |author: &AuthorId| Some((*author, u8::from(!self.certificate(*author)?.writes_orders())));
        self.offices.iter().filter_map(of).collect()
    }

    /// The certificate that says most about an author: root's before the office's before a predecessor's, then the one
    /// that begins latest.
    #[must_use]
    pub fn certificate(&self, author: AuthorId) -> Option<&Certificate> {
        let rank = |certificate: &&Certificate| match certificate.issuer {
            Issuer::Root => 2,
            Issuer::Office(_) => 1,
            Issuer::Predecessor(_) => 0,
        };
        // Of several that begin together the highest in the order of certificates counts, on every replica the same.
        self.certificates(author).max_by_key(|certificate| (rank(certificate), certificate.from_ms, *certificate))
    }

    /// What an author may do now: what its certificate says and, where it goes on for another, no more than that one's says by now.
    #[must_use]
    pub fn in_force(&self, author: AuthorId) -> Option<Certificate> {
        let mut certificate = self.certificate(author)?.clone();
        let (mut seen, mut issuer) = (BTreeSet::from([author]), certificate.issuer);
        while let Issuer::Predecessor(before) = issuer {
            let base = self.certificate(before).filter(|_| seen.insert(before))?;
            certificate.scopes.retain(|scope| base.scopes.contains(scope));
            certificate.roles.retain(|role| base.roles.contains(role));
            certificate.persons.clone_from(&base.persons);
            certificate.until_ms = match (certificate.until_ms, base.until_ms) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            issuer = base.issuer;
        }
        Some(certificate)
    }

    /// Every certificate that counts for an author.
    pub fn certificates(&self, author: AuthorId) -> impl Iterator<Item = &Certificate> {
        self.counting.get(&author).into_iter().flatten()
    }

    /// Every certified author with the certificate that says most.
    pub fn authors(&self) -> impl Iterator<Item = (AuthorId, &Certificate)> {
        self.counting.keys().filter_map(|author| Some((*author, self.certificate(*author)?)))
    }

    /// Whom an author has certified to go on for it.
    pub fn successors(&self, author: AuthorId) -> impl Iterator<Item = AuthorId> {
        self.successors.get(&author).into_iter().flatten().copied()
    }

    /// The first of the authors that went on for one another up to this one: what they have in common is the device.
    #[must_use]
    pub fn first_of(&self, author: AuthorId) -> AuthorId {
        let (mut first, mut seen) = (author, BTreeSet::new());
        while seen.insert(first)
            && let Some(Certificate { issuer: Issuer::Predecessor(before), .. }) = self.certificate(first)
        {
            first = *before;
        }
        first
    }

    /// The part of this that decides what becomes of certificates of these authors: cheap to make, to try out what they would be, however
    /// many others are certified.
    #[must_use]
    pub fn about(&self, authors: impl IntoIterator<Item = AuthorId>) -> Self {
        let mut part = Self::new(self.deployment);
        let (mut seen, mut next) = (BTreeSet::new(), authors.into_iter().collect::<Vec<_>>());
        while let Some(author) = next.pop() {
            if !seen.insert(author) {
                continue;
            }
            if let Some(counting) = self.counting.get(&author) {
                next.extend(counting.iter().filter_map(|certificate| certificate.issuer.author()));
                part.counting.insert(author, counting.clone());
            }
            if let Some(waiting) = self.waiting.get(&author) {
                next.extend(waiting.iter().map(|waiting| waiting.certificate.author(&self.deployment)));
                part.waiting.insert(author, waiting.clone());
            }
            if self.offices.contains(&author) {
                part.offices.insert(author);
            }
            if let Some(successors) = self.successors.get(&author) {
                part.successors.insert(author, successors.clone());
            }
        }
        part
    }

    /// The certificates that let another replica certify an author, issuers before those whom they certify.
    #[must_use]
    pub fn chain_of(&self, author: AuthorId) -> Vec<Certificate> {
        let mut authors = BTreeSet::new();
        let mut next = vec![author];
        while let Some(author) = next.pop() {
            if authors.insert(author) {
                next.extend(self.certificates(author).filter_map(|certificate| certificate.issuer.author()));
            }
        }
        let mut left: Vec<&Certificate> = authors.iter().flat_map(|author| self.certificates(*author)).collect();
        // Root's first, then each that has a ground among those before it: a path to root exists for all of them.
        left.sort_by_key(|certificate| Reverse(certificate.issuer == Issuer::Root));
        let mut chain: Vec<&Certificate> = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let before = chain.len();
            left.retain(|&certificate| {
                let grounded = certificate.issuer.author().is_none_or(|issuer| {
                    chain
                        .iter()
                        .any(|&ground| ground.author(&self.deployment) == issuer && is_ground(ground, certificate))
                });
                if grounded {
                    chain.push(certificate);
                }
                !grounded
            });
            if chain.len() == before {
                break;
            }
        }
        chain.into_iter().cloned().collect()
    }
}

/// Tells whether a counting certificate of the issuer entitles it to issue this one.
fn is_ground(ground: &Certificate, certificate: &Certificate) -> bool {
    match certificate.issuer {
        Issuer::Root => false,
        Issuer::Office(_) => ground.issuer == Issuer::Root,
        Issuer::Predecessor(_) => ground.issuer != Issuer::Root && certificate.continues(ground),
    }
}

#[cfg(test)]
mod tests;
