//! Certificates that stand in records.

use lastmile_log::{AuthorKey, Certificate, Issuer};
use lastmile_model::Value;
use lastmile_store::storage::Storage;

use crate::raw::{encoded, inject};
use crate::sites::Sites;
use crate::support::{deployment, id, key, scope};

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
