//! Every encoding byte by byte, as `docs/formats.md` lays it out.
//!
//! The files in `tests/golden` are made again here by code that knows only that page, and by the crate. After a
//! deliberate change of a format, `LASTMILE_WRITE_GOLDEN=1` writes them anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use lastmile_log::wire::{Reader, Writer};
use lastmile_log::{
    AuthorKey, Certificate, Commit, Deployment, Entry, Invite, Issuer, MAX_RAW, OfficeKey, Receipt, Seal, Segment,
    Vector, author_id, chain_hash, fingerprint, seal_value, sha256, unpack,
};
use lastmile_model::{AuthorId, ChainHash, Scope};
use uuid::Uuid;

use crate::corpus::Corpus;
use crate::mutations::{inflate, odd_log};
use crate::round_trip::{all, packed};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Compares bytes with a golden file of hexadecimal digits, 32 bytes a line.
fn golden(name: &str, bytes: &[u8]) {
    if std::env::var_os("LASTMILE_WRITE_GOLDEN").is_some() {
        let mut text = String::new();
        for line in bytes.chunks(32) {
            line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
            text.push('\n');
        }
        std::fs::write(path(name), text).unwrap();
    }
    assert_eq!(read(name), bytes, "{name}");
}

fn key(byte: u8) -> AuthorKey {
    AuthorKey::from_seed(&[byte; 32])
}

fn deployment() -> Deployment {
    Deployment { id: *b"deployment no. 1", root: key(1).public() }
}

fn scope() -> Scope {
    "community:430103005010".parse().unwrap()
}

const SCOPE: &[u8] = b"\x01\x0c430103005010";

/// A uvarint, as the page says.
fn uvarint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number % 128).unwrap() + 128);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn zigzag(number: i64) -> Vec<u8> {
    uvarint(if number < 0 { number.unsigned_abs() * 2 - 1 } else { number.unsigned_abs() * 2 })
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [uvarint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// The bytes that the chain hash of a commit covers.
fn hashed(commit: &Commit) -> Vec<u8> {
    let header = &commit.header;
    let mut bytes = [
        b"lastmile commit\0\x01",
        &[header.scope.kind() as u8][..],
        &prefixed(header.scope.code().as_bytes()),
        &header.author.0,
        &uvarint(header.seq),
        &header.prev.0,
    ]
    .concat();
    match header.acting {
        Some(person) => bytes.extend([&[1], &person.as_bytes()[..]].concat()),
        None => bytes.push(0),
    }
    bytes.extend(uvarint(header.schema_v.into()));
    bytes.extend(uvarint(header.hlc));
    bytes.extend(zigzag(header.wall_ms));
    bytes.extend(prefixed(header.app.as_bytes()));
    bytes.extend(prefixed(&header.extension));
    bytes.extend(uvarint(header.changes.len() as u64));
    for entry in &header.changes {
        bytes.extend(prefixed(entry.record_type.as_bytes()));
        bytes.extend(entry.record.as_bytes());
        bytes.extend(entry.header.hash.0);
        bytes.extend(uvarint(entry.header.deps.len() as u64));
        entry.header.deps.iter().for_each(|dep| bytes.extend(dep.0));
        bytes.extend(uvarint(entry.header.seq));
        bytes.extend(uvarint(entry.header.start_op));
        bytes.extend(uvarint(entry.header.op_count));
    }
    bytes
}

/// What zstd compresses of a batch whose changes have these forms.
fn raw_batch(log: &[Commit], forms: &[u8]) -> Vec<u8> {
    let first = &log[0].header;
    let mut types: Vec<&str> = Vec::new();
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    let mut before = (None, 0u32, 0i64, "");
    let mut forms = forms.iter();
    for commit in log {
        let header = &commit.header;
        let same = header.acting.is_some() && header.acting == before.0;
        let flags = [header.acting.is_some(), same, header.app == before.3, header.schema_v == before.1];
        let flags: u8 = flags.iter().zip([1, 2, 4, 8]).map(|(set, flag)| u8::from(*set) * flag).sum();
        heads.push(flags + if header.extension.is_empty() { 0 } else { 16 });
        if let (Some(person), false) = (header.acting, same) {
            heads.extend(person.as_bytes());
        }
        if header.schema_v != before.1 {
            heads.extend(uvarint(header.schema_v.into()));
        }
        let millis = i64::try_from(header.hlc >> 16).unwrap();
        heads.extend(zigzag(millis - before.2));
        heads.extend(uvarint(header.hlc % 65_536));
        heads.extend(zigzag(header.wall_ms - millis));
        if header.app != before.3 {
            heads.extend(prefixed(header.app.as_bytes()));
        }
        if !header.extension.is_empty() {
            heads.extend(prefixed(&header.extension));
        }
        before = (header.acting.or(before.0), header.schema_v, millis, &header.app);
        heads.extend(uvarint(header.changes.len() as u64));
        for (entry, bytes) in header.changes.iter().zip(&commit.bodies) {
            let number = types.iter().position(|name| **name == entry.record_type).unwrap_or(types.len());
            heads.extend(uvarint(number as u64));
            if number == types.len() {
                heads.extend(prefixed(entry.record_type.as_bytes()));
                types.push(&entry.record_type);
            }
            let form = *forms.next().unwrap();
            heads.push(form);
            if form != 0 {
                heads.extend(uvarint(entry.header.deps.len() as u64));
                entry.header.deps.iter().for_each(|dep| heads.extend(dep.0));
                heads.extend(uvarint(entry.header.seq));
                heads.extend(uvarint(entry.header.start_op));
                heads.extend(uvarint(entry.header.op_count));
            }
            if form == 3 {
                bodies.extend(entry.record.as_bytes());
                bodies.extend(entry.header.hash.0);
                continue;
            }
            let bytes = bytes.as_deref().unwrap();
            // After magic, checksum, type and the length, which ends with the first byte below 128.
            let front = 10 + bytes[9..].iter().take_while(|byte| **byte > 127).count();
            let body = if form == 2 { bytes } else { &bytes[front..] };
            heads.extend(uvarint(body.len() as u64));
            let place = body.windows(16).position(|window| window == entry.record.as_bytes());
            heads.extend(uvarint(place.map_or(0, |place| place as u64 + 1)));
            if place.is_none() {
                bodies.extend(entry.record.as_bytes());
            }
            bodies.extend(body);
        }
    }
    assert!(forms.next().is_none());
    let start = [
        &[1, first.scope.kind() as u8][..],
        &prefixed(first.scope.code().as_bytes()),
        &first.author.0,
        &uvarint(first.seq),
        &first.prev.0,
        &uvarint(log.len() as u64),
        &prefixed(&heads),
    ];
    [start.concat(), bodies].concat()
}

#[test]
fn commits_and_batches() {
    let logs = [("odd", odd_log(), &[0, 1, 1, 2, 2, 1, 2, 3, 3, 0][..]), ("usual", Corpus::new(7).take(2), &[0; 10])];
    for (name, log, forms) in logs {
        let last = log.last().unwrap();
        golden(&format!("{name}-commit-hashed.hex"), &hashed(last));
        assert_eq!(ChainHash(sha256(&hashed(last))), chain_hash(&last.header));
        let packed = packed(&log);
        golden(&format!("{name}-batch-inflated.hex"), &inflate(&packed));
        assert_eq!(raw_batch(&log, forms), inflate(&packed));
        // How zstd compresses may differ from one of its versions to the next; what was written once must stay
        // readable.
        let file = format!("{name}-batch.hex");
        if std::env::var_os("LASTMILE_WRITE_GOLDEN").is_some() {
            golden(&file, &packed);
        }
        let kept = unpack(&read(&file), MAX_RAW).unwrap();
        assert_eq!(all(&kept), log);
        assert_eq!(kept.head(), chain_hash(&last.header));
    }
}

#[test]
fn authors_seals_and_receipts() {
    let (device, office) = (key(2), key(3));
    let author = device.author(&deployment());
    assert_eq!(author.0, sha256(&[&b"deployment no. 1"[..], &device.public()].concat())[..16]);
    assert_eq!(author, author_id(&deployment(), &device.public()));
    let chain = ChainHash([0xc4; 32]);
    let place = [SCOPE, &author.0, &uvarint(300), &chain.0].concat();

    let seal = Seal::sign(&device, &deployment(), &scope(), 300, chain);
    let signed = [b"lastmile seal\0\x01deployment no. 1", place.as_slice()].concat();
    golden("seal-signed.hex", &signed);
    assert!(lastmile_log::verify(&device.public(), &signed, &seal.signature));
    let mut out = Writer::new();
    seal.write(&mut out);
    golden("seal.hex", out.as_slice());
    assert_eq!(out.as_slice(), [&[1], &uvarint(300)[..], &chain.0, &seal.signature].concat());
    assert_eq!(Seal::read(&mut Reader::new(&read("seal.hex")), &scope(), author), Ok(seal));

    let receipt = Receipt::sign(&office, &deployment(), &scope(), author, 300, chain);
    let epoch = office.author(&deployment());
    let signed = [b"lastmile receipt\0\x01deployment no. 1", place.as_slice(), &epoch.0].concat();
    golden("receipt-signed.hex", &signed);
    assert!(lastmile_log::verify(&office.public(), &signed, &receipt.signature));
    let mut out = Writer::new();
    receipt.write(&mut out);
    golden("receipt.hex", out.as_slice());
    assert_eq!(out.as_slice(), [&[1], &epoch.0[..], &place, &receipt.signature].concat());
    assert_eq!(Receipt::read(&mut Reader::new(&read("receipt.hex"))), Ok(receipt));
}

#[test]
fn certificates() {
    let person = Uuid::from_bytes([0xaa; 16]);
    let certificate = |of: u8, issuer| Certificate {
        public: key(of).public(),
        device: "平板 3".to_owned(),
        persons: vec![person],
        roles: vec!["secretary".to_owned(), "worker".to_owned()],
        scopes: vec![scope()],
        from_ms: 1_764_000_000_000,
        until_ms: Some(1_800_000_000_000),
        issuer,
        signature: [0; 64],
        consent: None,
    };
    let (office, device) = (key(3).author(&deployment()), key(2).author(&deployment()));
    let cases = [
        ("office", certificate(3, Issuer::Root), 1, vec![0]),
        ("device", certificate(2, Issuer::Office(office)), 3, [&[1], &office.0[..]].concat()),
        ("successor", certificate(4, Issuer::Predecessor(device)), 2, [&[2], &device.0[..]].concat()),
    ];
    for (name, certificate, issuer, tail) in cases {
        let certificate = match certificate.issuer {
            Issuer::Predecessor(_) => certificate.succeeding(&key(issuer), &key(4), &deployment()),
            _ => certificate.signed(&key(issuer), &deployment()),
        };
        let body = [
            &[1, 1][..],
            &certificate.public,
            &prefixed("平板 3".as_bytes()),
            &[1],
            &[0xaa; 16],
            &[2],
            b"\x09secretary",
            b"\x06worker",
            &[1],
            SCOPE,
            &zigzag(1_764_000_000_000),
            &[1],
            &zigzag(1_800_000_000_000),
            &tail,
        ]
        .concat();
        let signed = [b"lastmile certificate\0deployment no. 1", body.as_slice()].concat();
        golden(&format!("certificate-{name}-signed.hex"), &signed);
        assert!(lastmile_log::verify(&key(issuer).public(), &signed, &certificate.signature));
        golden(&format!("certificate-{name}.hex"), &certificate.encode());
        let own = certificate.consent.map(|own| own.to_vec()).unwrap_or_default();
        if name == "successor" {
            let agreed = [b"lastmile succession\0deployment no. 1", body.as_slice()].concat();
            golden("certificate-successor-agreed.hex", &agreed);
            assert!(lastmile_log::verify(&certificate.public, &agreed, &own.clone().try_into().unwrap()));
        }
        assert_eq!(certificate.encode(), [&body[..], &certificate.signature, &own].concat());
        assert_eq!(Certificate::decode(&read(&format!("certificate-{name}.hex"))), Ok(certificate));
    }
}

#[test]
fn vectors_and_their_digest() {
    let author = AuthorId([0x11; 16]);
    let branch = Segment { author, start: 200, first: ChainHash([0x22; 32]) };
    let vector: Vector = [(branch, 250, 0x33), (Segment::trunk(author), 300, 0x44)]
        .into_iter()
        .map(|(segment, seq, chain)| Entry { segment, seq, chain: ChainHash([chain; 32]) })
        .collect();
    let expected = [
        &[2][..],
        &[0x11; 16],
        &[0],
        &uvarint(300),
        &[0x44; 32],
        &[0x11; 16],
        &uvarint(200),
        &[0x22; 32],
        &uvarint(250),
        &[0x33; 32],
    ]
    .concat();
    let mut out = Writer::new();
    vector.write(&mut out);
    assert_eq!(out.as_slice(), expected);
    golden("vector.hex", out.as_slice());
    let digest = sha256(&[b"lastmile vector 1\0", expected.as_slice()].concat());
    assert_eq!(vector.digest(), digest);
    golden("vector-digest.hex", &digest);
    assert_eq!(Vector::read(&mut Reader::new(&read("vector.hex"))), Ok(vector));
}

#[test]
fn invites_and_sealed_values() {
    let office = OfficeKey::from_seed(&[5; 32]);
    let mut invite = Invite {
        relay: "https://relay.example:8470".to_owned(),
        deployment: deployment(),
        token: [0x55; 16],
        scopes: vec![scope()],
        office_key: office.public(),
        pin: None,
    };
    golden("invite-text.hex", invite.to_text().as_bytes());
    let text = String::from_utf8(read("invite-text.hex")).unwrap();
    assert_eq!(Invite::from_text(&text).as_ref(), Ok(&invite));
    invite.pin = Some([0x66; 32]);
    golden("invite-pinned-text.hex", invite.to_text().as_bytes());
    let text = String::from_utf8(read("invite-pinned-text.hex")).unwrap();
    assert_eq!(Invite::from_text(&text), Ok(invite));

    let sealed = seal_value(&office.public(), b"990101198001010013", [6; 32]).unwrap();
    golden("sealed-value.hex", &sealed);
    assert_eq!(sealed[0], 1);
    assert_eq!(sealed[1..9], sha256(&office.public())[..8]);
    assert_eq!(office.open(&read("sealed-value.hex")).unwrap(), b"990101198001010013");
    golden("fingerprint.hex", &fingerprint(&[7; 32], b"990101198001010013"));
}
