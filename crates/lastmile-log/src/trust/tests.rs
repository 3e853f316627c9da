use lastmile_model::Scope;

use super::*;
use crate::keys::AuthorKey;

fn key(byte: u8) -> AuthorKey {
    AuthorKey::from_seed(&[byte; 32])
}

fn deployment() -> Deployment {
    Deployment { id: [9; 16], root: key(1).public() }
}

fn author(byte: u8) -> AuthorId {
    key(byte).author(&deployment())
}

fn blank(of: u8, issuer: Issuer) -> Certificate {
    Certificate {
        public: key(of).public(),
        device: "tablet".to_owned(),
        persons: Vec::new(),
        roles: vec!["worker".to_owned()],
        scopes: vec![Scope::community("430103005010").unwrap()],
        from_ms: 0,
        until_ms: None,
        issuer,
        signature: [0; 64],
        consent: None,
    }
}

fn by_root(of: u8) -> Certificate {
    blank(of, Issuer::Root).signed(&key(1), &deployment())
}

fn by_office(of: u8, office: u8) -> Certificate {
    blank(of, Issuer::Office(author(office))).signed(&key(office), &deployment())
}

fn by_predecessor(of: u8, before: u8) -> Certificate {
    blank(of, Issuer::Predecessor(author(before))).succeeding(&key(before), &key(of), &deployment())
}

/// What one can ask of a trust, for comparison.
fn picture(trust: &Trust) -> Vec<(AuthorId, Certificate, bool, Vec<Certificate>)> {
    trust
        .authors()
        .map(|(author, certificate)| {
            (author, certificate.clone(), trust.is_office(author), trust.certificates(author).cloned().collect())
        })
        .collect()
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..items.len() {
        let mut rest = items.to_vec();
        let item = rest.remove(index);
        for mut tail in permutations(&rest) {
            tail.insert(0, item.clone());
            all.push(tail);
        }
    }
    all
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let mut wider = blank(6, Issuer::Predecessor(author(3)));
    wider.roles.push("secretary".to_owned());
    let wider = wider.succeeding(&key(3), &key(6), &deployment());
    let set = [by_root(2), by_office(3, 2), by_predecessor(4, 3), by_predecessor(5, 4), wider, by_predecessor(3, 5)];
    let mut first = None;
    for order in permutations(&set) {
        let mut trust = Trust::new(deployment());
        for certificate in order {
            trust.add(certificate);
        }
        let picture = picture(&trust);
        assert_eq!(picture.len(), 4);
        assert_eq!(first.get_or_insert_with(|| picture.clone()), &picture);
        assert_eq!(trust.public_key(author(5)), Some(key(5).public()));
        assert!(trust.public_key(author(6)).is_none(), "a successor cannot have more roles");
        assert_eq!(trust.certificate(author(3)), Some(&by_office(3, 2)), "the office outranks a predecessor");
        assert!(trust.is_office(author(2)));
        assert!(!trust.is_office(author(3)));
    }
}

#[test]
fn says_what_became_of_each() {
    let mut trust = Trust::new(deployment());
    assert_eq!(trust.add(by_predecessor(4, 3)), Standing::Waiting);
    assert_eq!(trust.add(by_predecessor(4, 3)), Standing::Waiting);
    assert_eq!(trust.add(by_office(3, 2)), Standing::Waiting);
    assert_eq!(trust.add(by_root(2)), Standing::Certified);
    assert_eq!(trust.add(by_predecessor(4, 3)), Standing::Certified);
    assert_eq!(trust.add(by_office(3, 2)), Standing::Certified);
    let mut forged = by_office(5, 2);
    forged.device = "another".to_owned();
    assert_eq!(trust.add(forged), Standing::Refused);
    let mut unsorted = blank(5, Issuer::Root);
    unsorted.roles = vec!["worker".to_owned(), "secretary".to_owned()];
    unsorted.signature = key(1).sign(b"anything");
    assert_eq!(trust.add(unsorted), Standing::Refused);
}

#[test]
fn nobody_but_root_and_office_makes_devices() {
    let mut trust = Trust::new(deployment());
    trust.add(by_root(2));
    trust.add(by_office(3, 2));
    let of_device = blank(6, Issuer::Root).signed(&key(3), &deployment());
    assert_eq!(trust.add(of_device), Standing::Refused);
    assert_eq!(trust.add(by_office(7, 3)), Standing::Waiting, "an author who is no office cannot issue");
    assert!(trust.public_key(author(7)).is_none());
    assert_eq!(trust.add(by_predecessor(8, 2)), Standing::Waiting, "an office has no successor but by root");
    let other = Deployment { id: [8; 16], root: key(1).public() };
    let elsewhere = blank(6, Issuer::Root).signed(&key(1), &other);
    assert_eq!(trust.add(elsewhere), Standing::Refused, "certificates are of one deployment");
}

#[test]
fn nobody_becomes_a_successor_unasked() {
    let mut trust = Trust::new(deployment());
    trust.add(by_root(2));
    trust.add(by_office(3, 2));
    trust.add(by_office(4, 2));
    let claim = || blank(4, Issuer::Predecessor(author(3)));
    assert_eq!(trust.add(claim().signed(&key(3), &deployment())), Standing::Refused, "the new key did not sign");
    assert_eq!(trust.add(claim().succeeding(&key(3), &key(3), &deployment())), Standing::Refused, "another key did");
    let mut copied = claim().succeeding(&key(3), &key(4), &deployment());
    copied.device = "another".to_owned();
    let consent = copied.consent;
    let copied = Certificate { consent, ..copied.signed(&key(3), &deployment()) };
    assert_eq!(trust.add(copied), Standing::Refused, "it agreed to something else");
    let mut more = by_office(5, 2);
    more.consent = Some([0; 64]);
    assert_eq!(trust.add(more), Standing::Refused, "nobody else agrees to anything");
    assert_eq!(trust.add(claim().succeeding(&key(3), &key(4), &deployment())), Standing::Certified);
}

#[test]
fn several_epochs_certify_and_a_renewal_takes_nothing_away() {
    let mut trust = Trust::new(deployment());
    trust.add(by_root(2));
    trust.add(by_root(10));
    trust.add(by_office(3, 2));
    trust.add(by_predecessor(4, 3));
    let mut renewed = blank(3, Issuer::Office(author(10)));
    renewed.from_ms = 5;
    renewed.until_ms = Some(99);
    let renewed = renewed.signed(&key(10), &deployment());
    assert_eq!(trust.add(renewed.clone()), Standing::Certified);
    assert_eq!(trust.certificate(author(3)), Some(&renewed), "the later one says most");
    assert!(trust.public_key(author(4)).is_some(), "the successor stays certified");
}

#[test]
fn a_chain_certifies_its_author_elsewhere_in_the_order_given() {
    let mut trust = Trust::new(deployment());
    let set = [by_root(2), by_root(10), by_office(3, 2), by_office(3, 10), by_predecessor(4, 3), by_predecessor(3, 4)];
    for certificate in set {
        trust.add(certificate);
    }
    trust.add(by_office(9, 2));
    let chain = trust.chain_of(author(4));
    assert_eq!(chain.len(), 6, "the other device is left out");
    let mut elsewhere = Trust::new(deployment());
    for certificate in chain {
        assert_eq!(elsewhere.add(certificate), Standing::Certified);
    }
    assert_eq!(elsewhere.certificate(author(4)), trust.certificate(author(4)));
    assert!(trust.chain_of(author(77)).is_empty());
}

#[test]
fn only_so_many_wait() {
    let mut trust = Trust::new(deployment());
    let mut waiting = by_office(3, 2);
    for number in 0..MAX_WAITING {
        waiting.from_ms = i64::try_from(number).unwrap();
        assert_eq!(trust.add(waiting.clone()), Standing::Waiting);
    }
    waiting.from_ms = -1;
    assert_eq!(trust.add(waiting), Standing::Refused);
    assert_eq!(trust.add(by_root(2)), Standing::Certified);
    assert!(trust.public_key(author(3)).is_some_and(|public| public == key(3).public()), "the one genuine among them");
}

/// Kept in the order of their authors, a city's devices may all stand before the office that certified them.
#[test]
fn what_was_kept_is_taken_again_in_any_order() {
    let mut device = by_office(3, 2);
    let mut kept: Vec<Certificate> = (1..MAX_WAITING + 3)
        .map(|number| {
            device.from_ms = i64::try_from(number).unwrap();
            device.clone()
        })
        .collect();
    kept.push(by_office(4, 2));
    kept.push(by_predecessor(5, 4));
    kept.push(by_root(2));
    let mut trust = Trust::new(deployment());
    trust.restore(kept.clone());
    assert!(trust.public_key(author(4)).is_some() && trust.public_key(author(5)).is_some());
    // While the office is not known they wait, all of them.
    kept.pop();
    let mut early = Trust::new(deployment());
    early.restore(kept);
    assert_eq!(early.authors().count(), 0);
    let (standing, counting) = early.admit(by_root(2));
    assert_eq!((standing, counting), (Standing::Certified, vec![by_root(2), by_office(4, 2), by_predecessor(5, 4)]));
    assert_eq!(picture(&early), picture(&trust));
}
