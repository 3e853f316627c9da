//! Certificates that stand in records.

use lastmile_log::{AuthorKey, Certificate, Issuer};
use lastmile_model::Value;
use lastmile_store::ViewMode;
use lastmile_store::storage::Storage;

use crate::raw::{encoded, inject};
use crate::sites::{Sites, counts, reader};
use crate::support::{OFFICE, activity, author, create, deployment, id, key, save, scope, seal, send};

fn certificate(of: &AuthorKey, issuer: Issuer, by: &AuthorKey) -> Certificate {
    let blank = Certificate {
        public: of.public(),
        device: "tablet".to_owned(),
        persons: Vec::new(),
        roles: vec!["worker".to_owned()],
        scopes: vec![scope()],
        from_ms: 0,
        until_ms: None,
        issuer,
        signature: [0; 64],
        consent: None,
    };
    blank.signed(by, &deployment())
}

#[test]
fn those_that_lead_nowhere_take_no_room() {
    let (office, device) = (AuthorKey::from_seed(&[40; 32]), AuthorKey::from_seed(&[41; 32]));
    let author = device.author(&deployment());
    let by_office = certificate(&device, Issuer::Office(office.author(&deployment())), &office);
    let by_root = certificate(&office, Issuer::Root, &key(0));
    let mut sites = Sites::memory();
    let mut here = sites.open("here");
    let Sites::Memory(kept) = &sites else { unreachable!() };
    let kept = kept["here"].clone();
    let stored = || kept.certificates().unwrap().len();
    let before = stored();
    let change = |number, certificate: &Certificate| {
        encoded(2, "certificate", id(number), &[], 1, &[("cert", Value::Bytes(certificate.encode()))])
    };
    inject(&mut here, 2, &[change(50, &by_office)]);
    assert_eq!(stored(), before, "its issuer is unknown");
    // With the issuer's both count, and both are kept.
    inject(&mut here, 2, &[change(51, &by_root)]);
    assert_eq!(stored(), before + 2);
    assert!(here.trust().unwrap().public_key(author).is_some());
    drop(here);
    let here = sites.again("here");
    assert!(here.trust().unwrap().public_key(author).is_some());
}

/// Device 2 was revoked, device 3 turns out to go on for it: whatever came first, what 3 wrote is out of sight.
#[test]
fn a_successor_that_becomes_known_late_is_held_back_as_well() {
    let none = [0; 32];
    let fields = [
        ("author", Value::Bytes(author(2).0.to_vec())),
        ("through_seq", Value::Int(0)),
        ("chain", Value::Bytes(none.to_vec())),
    ];
    let revocation = lastmile_model::derive::record_id("revocation", &[&fields[0].1]).unwrap();
    let successor = Certificate {
        public: key(3).public(),
        issuer: Issuer::Predecessor(author(2)),
        device: "test".to_owned(),
        ..certificate(&key(3), Issuer::Root, &key(0))
    };
    let successor = successor.succeeding(&key(2), &key(3), &deployment());
    let (revoked, certified, written) = (0, 1, 2);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut sites = Sites::memory();
        let (mut office, mut worker) = (sites.open("office"), sites.open("worker"));
        save(&mut office, OFFICE, vec![create("revocation", revocation, &fields)]);
        seal(&mut office, OFFICE);
        save(&mut worker, 3, vec![activity(1, "清洁日", 5)]);
        seal(&mut worker, 3);
        let mut here = sites.open("here");
        for step in order {
            if step == revoked {
                send(&mut office, &mut here, ViewMode::Now);
            } else if step == certified {
                here.add_certificates(std::slice::from_ref(&successor)).unwrap();
            } else if step == written {
                send(&mut worker, &mut here, ViewMode::Now);
            }
        }
        let counted = counts(&here);
        assert_eq!((counted.applied, counted.quarantined), (1, 1), "{order:?}");
        assert!(reader(&here).record("activity", id(1), None).is_err(), "{order:?}");
    }
}
