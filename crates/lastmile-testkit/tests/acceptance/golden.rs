//! The same seed gives the same saves, for ever and on every machine.

use std::fmt::Write as _;

use lastmile_testkit::{DeviceWork, Scale, Settings, generate, mix};
use sha2::{Digest, Sha256};

fn digest(parts: impl Iterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    parts.for_each(|part| hasher.update(part));
    hasher.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn device(work: &DeviceWork) -> String {
    let actions: String = work.actions.iter().map(|action| format!("{action:?}\n")).collect();
    format!("{} {:?} {} {}\n{actions}", work.label, work.users, work.skew_ms, work.silent_days)
}

fn street(seed: u64) -> String {
    let dataset = generate(Scale::Street, seed);
    let communities = dataset.communities().flat_map(|work| work.devices);
    digest(std::iter::once(dataset.city()).chain(communities).map(|work| device(&work)))
}

#[test]
fn streams_are_golden() {
    // A changed line here changes every data set: say so in the changelog.
    assert_eq!(street(1), "59fa406bf598dfbf");
    assert_eq!(digest(mix::mix(1_900, 1).map(|action| format!("{action:?}"))), "faba3a1a8b36eb6d");
    assert_ne!(street(1), street(2));
}

#[test]
fn communities_are_made_alone() {
    let dataset = generate(Scale::City, 5);
    let (one, again) = (dataset.community(700).unwrap(), generate(Scale::City, 5).community(700).unwrap());
    assert_eq!(one.devices, again.devices);
    assert!(dataset.community(843).is_none());
}

#[test]
fn without_shared_communities_every_community_has_one_device() {
    let dataset = lastmile_testkit::Dataset::new(Settings { shared: false, ..Settings::new(Scale::Street, 1) });
    assert_eq!(dataset.plan().devices(), 12);
    let ledger = dataset.ledger();
    assert_eq!(ledger.city.r4.verified, 1_177);
    assert_eq!(ledger.city.r7.verified, 8_580);
    assert_eq!(ledger.city.r2.verified, 1_320);
    assert!(
        dataset.communities().flat_map(|work| work.devices).flat_map(|work| work.actions).all(|save| save.wave == 0)
    );
}
