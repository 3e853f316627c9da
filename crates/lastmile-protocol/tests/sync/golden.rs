//! The golden frames of `schema/wire/v1`: made again by this code, and read by it.
//!
//! A file that is there never changes after a release. `UPDATE_GOLDEN=1` writes files that are missing or, before a release,
//! all of them. What zstd compresses is compared by its content, since another zstd may write other bytes.

use std::fmt::Write as _;
use std::path::PathBuf;

use lastmile_crdt::{Base, Edit, make_change};
use lastmile_log::{
    AuthorKey, Certificate, ChangeEntry, Commit, CommitHeader, Deployment, Entry, Issuer, Receipt, Seal, Segment,
    Vector, chain_hash, pack, sha256, sign_file, unpack,
};
use lastmile_model::{ChainHash, Scope};
use lastmile_protocol::frame::{
    Auth, BatchFrame, End, Enrol, ErrorFrame, FetchFrame, FileState, FilesFrame, FrameReader, HeldFile, HeldFrame,
    Hello, HelloScope, OwnHead, PieceFrame, SealsFrame, VectorFrame, Want, frame_length,
};
use lastmile_protocol::request::{SignedRequest, sign_body};
use lastmile_protocol::{Carrier, Code, Frame, LocalScope, Role, Session, enrol, limits, pump};

use crate::drive::{config, export, live, locals_of_relay};
use crate::toy::World;

/// Something that looks like a hash.
fn hash(number: u8) -> ChainHash {
    ChainHash(sha256(&[number]))
}

/// The hash of a file.
const FILE: [u8; 32] = [0xf1; 32];

/// The keys and ids that every golden file uses.
struct Golden {
    deployment: Deployment,
    root: AuthorKey,
    office: AuthorKey,
    device: AuthorKey,
    scope: Scope,
    city: Scope,
}

impl Golden {
    fn new() -> Self {
        let root = AuthorKey::from_seed(&[1; 32]);
        let deployment = Deployment { id: [0xd0; 16], root: root.public() };
        Self {
            deployment,
            root,
            office: AuthorKey::from_seed(&[2; 32]),
            device: AuthorKey::from_seed(&[3; 32]),
            scope: "community:430103005010".parse().unwrap(),
            city: "city:4301".parse().unwrap(),
        }
    }

    fn certificates(&self) -> Vec<Certificate> {
        let base = Certificate {
            public: self.office.public(),
            device: "relay".to_owned(),
            persons: Vec::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            from_ms: 1_764_000_000_000,
            until_ms: None,
            issuer: Issuer::Root,
            signature: [0; 64],
            consent: None,
        };
        let device = Certificate {
            public: self.device.public(),
            device: "社区平板".to_owned(),
            persons: vec!["0193d5f0-0000-7000-8000-000000000001".parse().unwrap()],
            roles: vec!["worker".to_owned()],
            scopes: vec![self.scope.clone(), self.city.clone()],
            until_ms: Some(1_795_536_000_000),
            issuer: Issuer::Office(self.office.author(&self.deployment)),
            ..base.clone()
        };
        vec![base.signed(&self.root, &self.deployment), device.signed(&self.office, &self.deployment)]
    }

    fn commit(&self) -> Commit {
        let edits = [Edit::set("title", "清洁日"), Edit::set("beneficiaries", 20)];
        let author = self.device.author(&self.deployment);
        let made = make_change(&Base::EMPTY, author, 1_764_000_000, None, &edits).unwrap();
        let record = "0193d5f0-0000-7000-8000-000000000002".parse().unwrap();
        let entry = ChangeEntry { record_type: "activity".to_owned(), record, header: made.change.header() };
        let header = CommitHeader {
            version: 1,
            scope: self.scope.clone(),
            author,
            seq: 1,
            prev: ChainHash::ZERO,
            acting: Some("0193d5f0-0000-7000-8000-000000000001".parse().unwrap()),
            schema_v: 1,
            hlc: 1_764_000_000_000 << 16,
            wall_ms: 1_764_000_000_000,
            app: "0.1.0".to_owned(),
            extension: Vec::new(),
            changes: vec![entry],
        };
        Commit { header, bodies: vec![Some(made.encoded.bytes)] }
    }

    fn hello(&self, challenge: Option<[u8; 16]>) -> Frame {
        let own = OwnHead { seq: 300, chain: hash(0xc1), receipted: 299 };
        Frame::Hello(Hello {
            min_version: 1,
            max_version: 1,
            deployment: self.deployment.id,
            author: self.device.author(&self.deployment),
            epoch: Some(self.office.author(&self.deployment)),
            app: "lastmile 0.1.0".to_owned(),
            credit: 4 << 20,
            challenge,
            late_scopes: false,
            scopes: vec![
                HelloScope { scope: self.scope.clone(), digest: hash(0xdd).0, own },
                HelloScope { scope: self.city.clone(), digest: hash(0xde).0, own: OwnHead::default() },
            ],
            extension: Vec::new(),
        })
    }

    /// A relay's first hello on a stream.
    fn late_hello(&self) -> Frame {
        let Frame::Hello(hello) = self.hello(Some([0xcc; 16])) else { unreachable!() };
        let author = self.office.author(&self.deployment);
        Frame::Hello(Hello { author, late_scopes: true, scopes: Vec::new(), ..hello })
    }

    fn vector(&self) -> Frame {
        let (office, device) = (self.office.author(&self.deployment), self.device.author(&self.deployment));
        let branch = Segment { author: device, start: 6, first: hash(0xb6) };
        let vector: Vector = [
            Entry { segment: Segment::trunk(office), seq: 12, chain: hash(0x0f) },
            Entry { segment: Segment::trunk(device), seq: 5, chain: hash(0xd5) },
            Entry { segment: branch, seq: 300, chain: hash(0xb7) },
        ]
        .into_iter()
        .collect();
        let pending = vec![Entry { segment: Segment::trunk(office), seq: 14, chain: hash(0x1f) }];
        Frame::Vector(VectorFrame { scope: self.scope.clone(), vector, pending })
    }

    fn batch(&self) -> Frame {
        let commit = self.commit();
        let chain = chain_hash(&commit.header);
        Frame::Batch(BatchFrame {
            scope: self.scope.clone(),
            author: self.device.author(&self.deployment),
            seals: vec![Seal::sign(&self.device, &self.deployment, &self.scope, 1, chain)],
            packed: pack(&[&commit]).unwrap(),
        })
    }

    fn frames(&self) -> Vec<(&'static str, Frame)> {
        let device = self.device.author(&self.deployment);
        let chain = chain_hash(&self.commit().header);
        let receipt = Receipt::sign(&self.office, &self.deployment, &self.scope, device, 1, chain);
        let positions = vec![(5, hash(0xd5)), (300, hash(0xb7))];
        let auth = Auth {
            time_ms: 1_764_000_000_000,
            nonce: [0xaa; 16],
            signature: [hash(0x5a).0, hash(0x5b).0].concat().try_into().unwrap(),
        };
        let enrol = Enrol { token: [0x70; 16], public_key: self.device.public(), device: "社区平板".to_owned() };
        vec![
            ("01-hello", self.hello(None)),
            ("01-hello-with-challenge", self.hello(Some([0xcc; 16]))),
            ("01-hello-late-scopes", self.late_hello()),
            ("02-vector", self.vector()),
            ("03-batch", self.batch()),
            ("04-receipts", Frame::Receipts(vec![receipt])),
            ("05-certificates", Frame::Certificates(self.certificates())),
            ("06-seals", Frame::Seals(SealsFrame { scope: self.scope.clone(), author: device, positions })),
            ("07-want", Frame::Want(Want { scope: self.scope.clone(), segment: Segment::trunk(device), after: 5 })),
            ("08-credit", Frame::Credit(1 << 20)),
            (
                "09-error",
                Frame::Error(ErrorFrame {
                    code: Code::OverQuota,
                    arguments: vec![self.scope.to_string(), device.to_string()],
                    retry_after_ms: 3_600_000,
                }),
            ),
            ("10-end", Frame::End(End { equal: true, more: false, handled: 2 })),
            ("11-auth", Frame::Auth(auth)),
            ("12-enrol", Frame::Enrol(enrol)),
            ("13-enrolled", Frame::Enrolled(self.certificates())),
            ("14-files", Frame::Files(FilesFrame { scope: self.scope.clone(), hashes: self.files() })),
            ("15-held", self.held()),
            ("16-piece", Frame::Piece(self.piece())),
            (
                "17-fetch",
                Frame::Fetch(FetchFrame { scope: self.scope.clone(), hash: FILE, offset: 65_536, limit: 65_536 }),
            ),
        ]
    }

    fn files(&self) -> Vec<[u8; 32]> {
        vec![FILE, [0xf2; 32], [0xf3; 32]]
    }

    fn held(&self) -> Frame {
        let signature = sign_file(&self.office, &self.deployment, &self.scope, &FILE);
        let states = [FileState::Whole(signature), FileState::Begun(65_536), FileState::Unknown];
        let files = self.files().into_iter().zip(states).map(|(hash, state)| HeldFile { hash, state }).collect();
        Frame::Held(HeldFrame { scope: self.scope.clone(), files })
    }

    fn piece(&self) -> PieceFrame {
        let bytes = b"%PDF-1.4 and so on".to_vec();
        PieceFrame { scope: self.scope.clone(), hash: FILE, size: 200_000, offset: 65_536, bytes }
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schema/wire/v1").join(format!("{name}.hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        line.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Reads a golden file, writing it first when asked to.
fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(name), to_hex(made)).unwrap();
    }
    from_hex(&std::fs::read_to_string(path(name)).unwrap())
}

fn read_frames(bytes: &[u8]) -> Vec<(Frame, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, prefix) = frame_length(rest).unwrap().unwrap();
        let (whole, after) = rest.split_at(prefix + length);
        let mut reader = FrameReader::new(limits::MAX_FRAME);
        reader.push(whole);
        let raw = reader.next_frame().unwrap().unwrap();
        frames.push((Frame::open(&raw, limits::MAX_FRAME).unwrap().unwrap(), whole.to_vec()));
        rest = after;
    }
    frames
}

/// Compares the frames of a golden file with those made now.
fn assert_same(name: &str, golden: &[u8], made: &[u8]) {
    let (golden, made) = (read_frames(golden), read_frames(made));
    assert_eq!(golden.len(), made.len(), "{name}");
    let mut packed = false;
    for ((old, old_bytes), (new, new_bytes)) in golden.into_iter().zip(made) {
        match (old, new) {
            (Frame::Batch(old), Frame::Batch(new)) => {
                packed = true;
                let raw = 1 << 20;
                assert_eq!(unpack(&old.packed, raw).unwrap(), unpack(&new.packed, raw).unwrap(), "{name}");
                assert_eq!((old.scope, old.author, old.seals), (new.scope, new.author, new.seals), "{name}");
            }
            // A signature over compressed bytes changes with them.
            (Frame::Auth(_), Frame::Auth(_)) if packed => {}
            (old, new) => {
                assert_eq!(old, new, "{name}");
                let compressed = new_bytes.get(frame_length(&new_bytes).unwrap().unwrap().1 + 1) == Some(&1);
                assert!(compressed || old_bytes == new_bytes, "{name}: the same frame in other bytes");
            }
        }
    }
}

#[test]
fn every_frame_is_written_as_it_always_was() {
    let world = Golden::new();
    for (name, frame) in world.frames() {
        let made = frame.encode().unwrap();
        let golden = golden(name, &made);
        assert_same(name, &golden, &made);
        // What a frame is read as is written as the same bytes.
        let (read, bytes) = read_frames(&golden).remove(0);
        let flags = frame_length(&bytes).unwrap().unwrap().1 + 1;
        if bytes[flags] == 0 {
            assert_eq!(read.encode().unwrap(), bytes, "{name}");
        }
    }
}

#[test]
fn a_skipped_and_a_compressed_frame() {
    let skipped = [8, 0xf0, 0x80, b'f', b'u', b't', b'u', b'r', b'e'];
    let golden_skipped = golden("f0-ignorable", &skipped);
    let mut reader = FrameReader::new(100);
    reader.push(&golden_skipped);
    assert_eq!(Frame::open(&reader.next_frame().unwrap().unwrap(), 100), Ok(None));

    let arguments = vec!["社区".repeat(20); 8];
    let frame = Frame::Error(ErrorFrame { code: Code::Internal, arguments, retry_after_ms: 0 });
    let made = frame.encode().unwrap();
    let compressed = golden("09-error-compressed", &made);
    assert_eq!(read_frames(&compressed)[0].0, frame);
    assert_eq!(compressed[frame_length(&compressed).unwrap().unwrap().1 + 1], 1);
}

#[test]
fn whole_exchanges() {
    let world = World::new();
    let (scope, city) = (world.scope(), world.city());
    let scopes = [scope.clone(), city];
    let (mut client, mut relay) = (world.device(1), world.relay());
    let epoch = Some(world.office());
    client.write(&scope, 2, 1);
    relay.write(&scopes[1], 1, 9);

    for name in ["upload", "idle"] {
        let mut session = Session::new(
            config(&client, Role::Initiator, Carrier::OneShot),
            scopes
                .iter()
                .map(|scope| {
                    let mut local = client.local(scope);
                    // The first time the client believes the relay to hold nothing of the community.
                    if *scope == scopes[0] {
                        local.peer_has.get_or_insert_default();
                    }
                    local
                })
                .collect::<Vec<LocalScope>>(),
        );
        let mut request = Vec::new();
        pump(&mut session, &mut client, &mut request).unwrap();
        let key = AuthorKey::from_seed(&[101; 32]);
        sign_body(&mut request, &key, &world.deployment, epoch, 1_764_000_000_000, [0xaa; 16]).unwrap();
        let signed = SignedRequest::open(&request).unwrap();
        let response = crate::drive::relay_answers(&mut relay, &scopes, signed.frames());
        lastmile_protocol::feed(&mut session, &mut client, &response, &mut Vec::new()).unwrap();
        session.end_of_input();
        let done = pump(&mut session, &mut client, &mut Vec::new()).unwrap().done;
        let done = done.unwrap_or_default();
        assert!(done.equal && done.rounds == 1, "{name}: {done:?}");

        let (request_name, response_name) = (format!("{name}-request"), format!("{name}-response"));
        let golden_request = golden(&request_name, &request);
        assert_same(&request_name, &golden_request, &request);
        assert_same(&response_name, &golden(&response_name, &response), &response);
        let signed = SignedRequest::open(&golden_request).unwrap();
        assert!(signed.verify(&key.public(), &world.deployment, client.author, epoch), "{name}");
        assert!(!signed.verify(&key.public(), &world.deployment, client.author, None), "{name}");
        assert!(signed.check_clock(1_764_000_300_000).is_ok());
        assert_eq!(signed.check_clock(1_764_000_700_000), Err(Code::WrongClock));
    }

    let settings = config(&client, Role::Initiator, Carrier::File);
    let whole = locals_of_relay(&client, &scopes);
    let (_, bundle) = export(&mut client, settings, whole);
    let start = lastmile_protocol::bundle::START;
    let golden_bundle = golden("bundle", &bundle);
    assert_same("bundle", golden_bundle.strip_prefix(start).unwrap(), bundle.strip_prefix(start).unwrap());
}

#[test]
fn a_live_stream() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut client, mut relay) = (world.device(1), world.relay());
    client.write(&scopes[0], 2, 1);
    relay.write(&scopes[1], 1, 9);
    let mut stream = live(&client, &relay, &scopes, 4 << 20);
    stream.record = true;
    stream.run(&mut client, &mut relay, u64::MAX);
    // A push, and a save.
    relay.write(&scopes[0], 1, 9);
    stream.b.offer(&scopes[0], relay.vector(&scopes[0]));
    stream.run(&mut client, &mut relay, u64::MAX);
    client.write(&scopes[0], 1, 1);
    stream.a.offer(&scopes[0], client.vector(&scopes[0]));
    stream.run(&mut client, &mut relay, u64::MAX);
    assert!(stream.done.iter().all(|done| done.as_ref().unwrap().equal));
    for (name, said) in ["live-device", "live-relay"].into_iter().zip(&stream.recorded) {
        assert_same(name, &golden(name, said), said);
    }
}

#[test]
fn enrolment() {
    let world = Golden::new();
    let author = world.device.author(&world.deployment);
    let request =
        enrol::enrol_request(&world.device, &world.deployment, [0x70; 16], "社区平板", 1_764_000_000_000, [0xaa; 16])
            .unwrap();
    let golden_request = golden("enrol-request", &request);
    assert_eq!(golden_request, request);
    let (asked, found, signed) = enrol::read_enrol_request(&golden_request, &world.deployment).unwrap();
    assert_eq!((asked.token, found), ([0x70; 16], author));
    assert!(signed.check_clock(1_764_000_000_000).is_ok());
    let response = enrol::enrolled_response(world.certificates()).unwrap();
    let golden_response = golden("enrol-response", &response);
    assert_eq!(enrol::read_enrolled_response(&golden_response).unwrap().unwrap(), world.certificates());

    let mut forged = golden_request.clone();
    forged[10] ^= 1;
    assert!(enrol::read_enrol_request(&forged, &world.deployment).is_err());
    let refused = enrol::error_response(Code::BadToken, Vec::new(), 0, &world.certificates());
    assert_eq!(enrol::read_enrolled_response(&refused).unwrap().unwrap_err().code, Code::BadToken);
}
