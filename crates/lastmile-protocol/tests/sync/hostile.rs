//! Bytes from nobody's friend: whatever comes, a session neither panics, nor grows, nor goes on for ever.

use lastmile_log::{Certificate, Entry, Receipt, Segment, Vector};
use lastmile_model::{AuthorId, ChainHash, Scope};
use lastmile_protocol::frame::{
    COMPRESSED, End, ErrorFrame, FrameReader, Hello, HelloScope, IGNORABLE, OwnHead, SealsFrame, VectorFrame, Want,
};
use lastmile_protocol::request::SignedRequest;
use lastmile_protocol::{
    BadFrame, BatchOutcome, Carrier, Code, Frame, Host, LocalScope, OutgoingBatch, PeerCheck, ReadRequest, ReceiptWant,
    Role, SegmentPositions, Session, SessionConfig, SessionError, StoreRequest, Stored, feed, limits, pump,
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng as StdRng;

use crate::drive::{config, export, locals_of_relay, meet, relay_answers, session};
use crate::toy::World;

/// A host whose answers fit the questions and nothing else.
struct Chaos {
    rng: StdRng,
    answers: u64,
}

impl Chaos {
    fn author(&mut self) -> AuthorId {
        AuthorId([self.rng.random_range(0..3); 16])
    }

    fn entry(&mut self) -> Entry {
        let author = self.author();
        let seq = self.rng.random_range(1..12);
        let start = if self.rng.random_bool(0.7) { 0 } else { self.rng.random_range(1..=seq) };
        let first = if start == 0 { ChainHash::ZERO } else { self.chain() };
        Entry { segment: Segment { author, start, first }, seq, chain: self.chain() }
    }

    fn chain(&mut self) -> ChainHash {
        ChainHash([self.rng.random_range(1..4); 32])
    }

    fn vector(&mut self) -> Vector {
        (0..self.rng.random_range(0..5)).map(|_| self.entry()).collect()
    }

    fn outcome(&mut self) -> BatchOutcome {
        let author = self.author();
        let have = self.rng.random_range(0..12);
        match self.rng.random_range(0..11) {
            0 => BatchOutcome::Appended(self.entry()),
            1 => BatchOutcome::Duplicate(self.entry()),
            2 => BatchOutcome::Fork(self.entry()),
            3 => BatchOutcome::Pending(author),
            4 => BatchOutcome::Gap { author, have },
            5 => BatchOutcome::NeedsForkPoint(author),
            6 => BatchOutcome::UnknownAuthor(author),
            7 => BatchOutcome::BadSeal { author, have },
            8 => BatchOutcome::OverQuota(author),
            9 => BatchOutcome::TooManyBranches(author),
            _ => BatchOutcome::Refused { author: Some(author) },
        }
    }
}

impl Host for Chaos {
    type Error = ();

    fn store(&mut self, request: StoreRequest) -> Result<Stored, ()> {
        self.answers += 1;
        let outcomes = request.batches.iter().map(|_| self.outcome()).collect();
        let vectors = request.batches.into_iter().map(|batch| (batch.scope, self.vector())).collect();
        Ok(Stored { outcomes, vectors })
    }

    fn read(&mut self, request: &ReadRequest) -> Result<(Vec<OutgoingBatch>, bool), ()> {
        self.answers += 1;
        let count = self.rng.random_range(0..4);
        let batches = (0..count)
            .map(|_| OutgoingBatch {
                through: request.after.saturating_add(self.rng.random_range(0..5)),
                packed: vec![7; self.rng.random_range(0..60)],
                seals: Vec::new(),
            })
            .collect();
        Ok((batches, self.rng.random_bool(0.5)))
    }

    fn positions(&mut self, _: &Scope, _: AuthorId) -> Result<Vec<SegmentPositions>, ()> {
        self.answers += 1;
        let paths = (0..self.rng.random_range(0..3))
            .map(|_| {
                let segment = self.entry().segment;
                let positions = (1..6).map(|seq| (seq, self.chain())).collect();
                SegmentPositions { segment, positions }
            })
            .collect();
        Ok(paths)
    }

    fn certificates(&mut self, _: &[AuthorId]) -> Result<Vec<Certificate>, ()> {
        self.answers += 1;
        Ok(Vec::new())
    }

    fn receipts(&mut self, _: &[ReceiptWant]) -> Result<Vec<Receipt>, ()> {
        self.answers += 1;
        Ok(Vec::new())
    }

    fn keep_receipts(&mut self, _: Vec<Receipt>) -> Result<(), ()> {
        Ok(())
    }
}

/// Byte strings of every carrier and direction, recorded from honest exchanges, with the session that takes them.
fn recordings() -> Vec<(Role, Carrier, Vec<u8>)> {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let (mut a, mut b, mut relay) = (world.device(1), world.device(2), world.relay());
    a.write(&scopes[0], 20, 1);
    b.write(&scopes[0], 9, 1);
    relay.write(&scopes[1], 5, 1);
    a.peer.insert(scopes[0].clone(), Vector::default());
    let mut recordings = Vec::new();
    let mut asking = session(&a, Role::Initiator, Carrier::OneShot, &scopes);
    let mut request = Vec::new();
    pump(&mut asking, &mut a, &mut request).unwrap();
    let response = relay_answers(&mut relay, &scopes, &request);
    recordings.push((Role::Responder, Carrier::OneShot, request));
    recordings.push((Role::Initiator, Carrier::OneShot, response));
    let settings = config(&a, Role::Initiator, Carrier::File);
    let whole = locals_of_relay(&a, &scopes);
    recordings.push((Role::Responder, Carrier::File, export(&mut a, settings, whole).1));
    for host_checks in [true, false] {
        let mut streaming = crate::drive::stream(&a, &b, &scopes);
        if host_checks {
            let plain =
                |role, replica| Session::new(config(replica, role, Carrier::Stream), locals_of_relay(replica, &scopes));
            streaming = crate::drive::Stream::new(plain(Role::Initiator, &a), plain(Role::Responder, &b));
        }
        streaming.record = true;
        streaming.run(&mut a.clone(), &mut b.clone(), u64::MAX);
        let [from_a, from_b] = streaming.recorded;
        recordings.push((Role::Responder, Carrier::Stream, from_a));
        recordings.push((Role::Initiator, Carrier::Stream, from_b));
    }
    recordings
}

fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..6) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, rng.random()),
            4 => {
                bytes.remove(at);
            }
            5 => {
                let from = rng.random_range(0..bytes.len());
                let piece: Vec<u8> = bytes[from..].iter().take(rng.random_range(1..200)).copied().collect();
                bytes.splice(at..at, piece);
            }
            _ => {
                let end = (at + rng.random_range(1..30)).min(bytes.len());
                bytes[at..end].fill(rng.random());
            }
        }
    }
}

/// Feeds bytes to a session with a host that answers anything, and checks that it ends within bounds.
fn endure(rng: &mut StdRng, mut config: SessionConfig, locals: Vec<LocalScope>, bytes: &[u8]) {
    config.max_rounds = 8;
    let mut session = Session::new(config, locals);
    let mut host = Chaos { rng: StdRng::seed_from_u64(rng.random()), answers: 0 };
    let mut output = Vec::new();
    for _ in 0..12 {
        let fed = feed(&mut session, &mut host, bytes, &mut output);
        session.end_of_input();
        let ended = pump(&mut session, &mut host, &mut output);
        if fed.is_err() || session.is_over() {
            break;
        }
        ended.unwrap();
    }
    assert!(session.is_over());
    assert!(session.next_effect().is_none());
    assert!(host.answers < 5_000, "{} answers", host.answers);
    assert!(output.len() < 4 << 20, "{} bytes", output.len());
    assert!(matches!(session.receive(&[1, 2, 3]), Err(SessionError::Over)));
}

#[test]
fn mutated_bytes_do_no_harm() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let recordings = recordings();
    let mut a = world.device(1);
    a.write(&scopes[0], 4, 1);
    let (config_of, locals) = (|role, carrier| config(&a, role, carrier), locals_of_relay(&a, &scopes));
    let mut rng = StdRng::seed_from_u64(20_261_123);
    for _ in 0..50_000 {
        let (role, carrier, recorded) = &recordings[rng.random_range(0..recordings.len())];
        let mut bytes = recorded.clone();
        mutate(&mut rng, &mut bytes);
        endure(&mut rng, config_of(*role, *carrier), locals.clone(), &bytes);
        let _ = SignedRequest::open(&bytes);
        let _ = lastmile_protocol::enrol::read_enrolled_response(&bytes);
    }
}

fn some_frame(chaos: &mut Chaos, scopes: &[Scope]) -> Frame {
    let scope = scopes[chaos.rng.random_range(0..scopes.len())].clone();
    match chaos.rng.random_range(0..9) {
        0 => Frame::Vector(VectorFrame { scope, vector: chaos.vector(), pending: vec![chaos.entry()] }),
        1 => Frame::Batch(lastmile_protocol::frame::BatchFrame {
            scope,
            author: chaos.author(),
            seals: Vec::new(),
            packed: vec![1; chaos.rng.random_range(0..100)],
        }),
        2 => {
            let positions = (1..chaos.rng.random_range(2..9)).map(|seq| (seq, chaos.chain())).collect();
            Frame::Seals(SealsFrame { scope, author: chaos.author(), positions })
        }
        3 => Frame::Want(Want { scope, segment: chaos.entry().segment, after: chaos.rng.random_range(0..9) }),
        4 => Frame::Credit(chaos.rng.random_range(0..100_000)),
        5 => Frame::Error(ErrorFrame {
            code: Code::from_number(chaos.rng.random_range(99..112)),
            arguments: vec![scope.to_string(), chaos.author().to_string()],
            retry_after_ms: 0,
        }),
        6 => Frame::End(End {
            equal: chaos.rng.random(),
            more: chaos.rng.random(),
            handled: chaos.rng.random_range(0..20),
        }),
        7 => Frame::Receipts(Vec::new()),
        _ => Frame::Certificates(Vec::new()),
    }
}

fn hello(deployment: [u8; 16], scopes: &[Scope], digest: u8) -> Frame {
    let own = OwnHead { seq: 3, chain: ChainHash([2; 32]), receipted: 1 };
    let scopes = scopes.iter().map(|scope| HelloScope { scope: scope.clone(), digest: [digest; 32], own });
    let mut scopes: Vec<HelloScope> = scopes.collect();
    scopes.sort_by(|a, b| a.scope.cmp(&b.scope));
    Frame::Hello(Hello {
        min_version: 1,
        max_version: 1,
        deployment,
        author: AuthorId([1; 16]),
        epoch: None,
        app: "fuzz".to_owned(),
        credit: 10_000,
        challenge: None,
        late_scopes: false,
        scopes,
        extension: vec![1, 2, 3],
    })
}

#[test]
fn any_sequence_of_well_formed_frames_comes_to_an_end() {
    let world = World::new();
    let scopes = [world.scope(), world.city()];
    let a = world.device(1);
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..10_000 {
        let mut chaos = Chaos { rng: StdRng::seed_from_u64(rng.random()), answers: 0 };
        let carrier = [Carrier::OneShot, Carrier::Stream, Carrier::File][rng.random_range(0..3)];
        let role = if carrier == Carrier::File || rng.random() { Role::Responder } else { Role::Initiator };
        let mut bytes = if carrier == Carrier::File { lastmile_protocol::bundle::START.to_vec() } else { Vec::new() };
        bytes.extend(hello(world.deployment.id, &scopes, 9).encode().unwrap());
        for _ in 0..rng.random_range(0..25) {
            bytes.extend(some_frame(&mut chaos, &scopes).encode().unwrap());
        }
        let locals = scopes
            .iter()
            .map(|scope| {
                let mut local = LocalScope::new(scope.clone(), chaos.vector());
                local.peer_has = chaos.rng.random_bool(0.5).then(|| chaos.vector());
                local
            })
            .collect();
        endure(&mut rng, config(&a, role, carrier), locals, &bytes);
    }
}

/// Puts a frame together by hand.
fn raw_frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut length = payload.len() + 2;
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend([kind, flags]);
    bytes.extend(payload);
    bytes
}

fn open(bytes: &[u8], cap: usize) -> Result<Option<Frame>, BadFrame> {
    let mut reader = FrameReader::new(cap);
    reader.push(bytes);
    Frame::open(&reader.next_frame()?.unwrap(), cap)
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let cap = limits::MAX_FRAME_UNAUTHENTICATED;
    // 64 MiB of zeros in a few kilobytes.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
    assert!(bomb.len() < cap);
    assert!(matches!(open(&raw_frame(5, COMPRESSED, &bomb), cap), Err(BadFrame::TooLarge { .. })));
    // One that does not say how long it is.
    let mut streamed = Vec::new();
    zstd::stream::copy_encode(&mut &vec![0; 8 << 20][..], &mut streamed, 3).unwrap();
    assert!(matches!(open(&raw_frame(5, COMPRESSED, &streamed), cap), Err(BadFrame::Compression { .. })));
    // Two zstd frames, one behind the other.
    let one = zstd::bulk::compress(&[0; 100], 3).unwrap();
    let two = [one.clone(), one].concat();
    assert!(matches!(open(&raw_frame(5, COMPRESSED, &two), cap), Err(BadFrame::Compression { .. })));
    // Counts without content.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    for kind in [4, 5, 13] {
        assert!(matches!(open(&raw_frame(kind, 0, &huge), cap), Err(BadFrame::TooMany { .. })));
    }
    let many = [&[1, 12][..], b"430103005010", &[0xff, 0xff, 0x05]].concat();
    assert!(open(&raw_frame(2, 0, &many), cap).is_err());
    // A length that never arrives takes no room.
    let mut reader = FrameReader::new(limits::MAX_FRAME);
    reader.push(&[0x80, 0x80, 0x48]);
    assert!(matches!(reader.next_frame(), Ok(None)));
}

#[test]
fn newer_frames_are_skipped_if_they_say_so_and_named_if_not() {
    assert_eq!(open(&raw_frame(99, IGNORABLE, b"later"), 1_000), Ok(None));
    assert_eq!(open(&raw_frame(99, IGNORABLE | 6, b"later"), 1_000), Ok(None));
    assert_eq!(open(&raw_frame(99, 0, b"later"), 1_000), Err(BadFrame::UnknownType { kind: 99 }));
    assert!(matches!(open(&raw_frame(8, 2, &[1]), 1_000), Err(BadFrame::UnknownFlags { .. })));

    let world = World::new();
    let mut relay = world.relay();
    let mut session = session(&relay, Role::Responder, Carrier::OneShot, &[world.scope()]);
    let request = [hello(world.deployment.id, &[world.scope()], 1).encode().unwrap(), raw_frame(99, 0, b"later")];
    let mut output = Vec::new();
    let refused = feed(&mut session, &mut relay, &request.concat(), &mut output);
    assert!(refused.is_err());
    pump(&mut session, &mut relay, &mut output).unwrap();
    let Some(Frame::Error(error)) = open(&output, 1_000).unwrap() else { panic!("no error frame") };
    assert_eq!((error.code, error.arguments), (Code::UnknownFrame, vec!["99".to_owned(), "1".to_owned()]));
}

#[test]
fn versions_and_deployments_must_match() {
    let world = World::new();
    for (frame, code) in [
        (hello([1; 16], &[world.scope()], 1), Code::WrongDeployment),
        (
            match hello(world.deployment.id, &[world.scope()], 1) {
                Frame::Hello(hello) => Frame::Hello(Hello { min_version: 2, max_version: 3, ..hello }),
                other => other,
            },
            Code::VersionMismatch,
        ),
    ] {
        let relay = world.relay();
        let mut session = session(&relay, Role::Responder, Carrier::OneShot, &[world.scope()]);
        let error = session.receive(&frame.encode().unwrap()).unwrap_err();
        assert!(matches!(error, SessionError::Refused { code: found, .. } if found == code), "{error}");
    }
}

#[test]
fn a_request_that_cannot_be_opened_is_refused_with_what_the_client_has_to_know() {
    let told = |frame: &[u8]| SignedRequest::open(frame).unwrap_err().told();
    let Frame::Hello(plain) = hello([1; 16], &[], 1) else { panic!("no hello") };
    let newer = Frame::Hello(Hello { min_version: 2, max_version: 3, ..plain }).encode().unwrap();
    assert_eq!(told(&newer), (Code::VersionMismatch, vec!["1".to_owned(), "1".to_owned()]));
    assert_eq!(told(&[2, 99, 0]), (Code::UnknownFrame, vec!["99".to_owned(), "1".to_owned()]));
    assert_eq!(told(&[0xff, 0xff, 0xff, 0x7f]).0, Code::TooLarge);
    assert_eq!(told(&[4, 10, 0, 0, 0]), (Code::BadSignature, Vec::new()));
}

#[test]
fn batches_beyond_the_credit_or_out_of_place_end_the_session() {
    let world = World::new();
    let scope = world.scope();
    let batch = |scope: &Scope, bytes: usize| {
        let (scope, author) = (scope.clone(), world.device_author(2));
        let packed = vec![0; bytes];
        Frame::Batch(lastmile_protocol::frame::BatchFrame { scope, author, seals: Vec::new(), packed })
            .encode()
            .unwrap()
    };
    let begin = || {
        let a = world.device(1);
        let mut narrow = config(&a, Role::Responder, Carrier::Stream);
        narrow.credit = 1_000;
        let mut session = Session::new(narrow, locals_of_relay(&a, std::slice::from_ref(&scope)));
        session.receive(&hello(world.deployment.id, std::slice::from_ref(&scope), 1).encode().unwrap()).unwrap();
        session
    };
    let refused =
        |error: SessionError, code: Code| matches!(error, SessionError::Refused { code: found, .. } if found == code);

    let mut session = begin();
    session.receive(&batch(&scope, 5_000)).unwrap();
    assert!(refused(session.receive(&batch(&scope, 10)).unwrap_err(), Code::OverCredit));
    let mut session = begin();
    assert!(refused(session.receive(&batch(&world.city(), 10)).unwrap_err(), Code::OutOfOrder));
    let mut session = begin();
    let again = hello(world.deployment.id, std::slice::from_ref(&scope), 1).encode().unwrap();
    assert!(refused(session.receive(&again).unwrap_err(), Code::OutOfOrder));
}

#[test]
fn strangers_on_a_stream_have_little_room() {
    let world = World::new();
    let a = world.device(1);
    let mut signed = config(&a, Role::Responder, Carrier::Stream);
    signed.peer_check = PeerCheck::Signed { challenge: [1; 16], binding: [0; 32] };
    let mut session = Session::new(signed, Vec::new());
    let long = raw_frame(1, 0, &vec![0; limits::MAX_FRAME_UNAUTHENTICATED + 10]);
    let error = session.receive(&long).unwrap_err();
    assert!(matches!(error, SessionError::Refused { code: Code::TooLarge, .. }), "{error}");
}

#[test]
fn answers_must_fit_their_questions() {
    let world = World::new();
    let scopes = [world.scope()];
    let (mut a, mut b) = (world.device(1), world.device(2));
    a.write(&scopes[0], 2, 1);
    meet(&mut a, &mut b, &scopes);
    let settings = config(&a, Role::Initiator, Carrier::File);
    let mut session = Session::new(settings, locals_of_relay(&a, &scopes));
    let mut asked = None;
    while let Some(effect) = session.next_effect() {
        if let lastmile_protocol::Effect::ReadCertificates { token, .. } = effect {
            asked = Some(token);
        }
    }
    let token = asked.unwrap();
    assert_eq!(session.batches(token, Vec::new(), true), Err(SessionError::NotAsked(token)));
    session.certificates(token, Vec::new()).unwrap();
    assert_eq!(session.certificates(token, Vec::new()), Err(SessionError::NotAsked(token)));
}

#[test]
fn frames_come_back_as_they_were_written() {
    let world = World::new();
    let mut chaos = Chaos { rng: StdRng::seed_from_u64(1), answers: 0 };
    for _ in 0..5_000 {
        let frame = some_frame(&mut chaos, &[world.scope(), world.city()]);
        let bytes = frame.encode().unwrap();
        assert_eq!(open(&bytes, limits::MAX_FRAME), Ok(Some(frame)));
    }
}

#[test]
fn whatever_is_read_is_written_as_the_same_bytes() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut read = 0;
    for (_, carrier, recorded) in recordings() {
        let skip = if carrier == Carrier::File { lastmile_protocol::bundle::START.len() } else { 0 };
        let mut reader = FrameReader::new(limits::MAX_FRAME);
        reader.push(&recorded[skip..]);
        while let Some(raw) = reader.next_frame().unwrap() {
            for _ in 0..400 {
                let mut payload = raw.payload().to_vec();
                mutate(&mut rng, &mut payload);
                let bytes = raw_frame(raw.kind(), raw.flags() & !COMPRESSED, &payload);
                let Ok(Some(frame)) = open(&bytes, limits::MAX_FRAME) else { continue };
                read += 1;
                let again = frame.encode().unwrap();
                let compressed = open(&again, limits::MAX_FRAME) == Ok(Some(frame)) && again.len() < bytes.len();
                assert!(again == bytes || compressed);
            }
        }
    }
    assert!(read > 1_000, "{read}");
}

#[test]
#[ignore = "prints times"]
fn time_of_the_longest_vectors() {
    let vector = |salt: u8| -> Vector {
        (0..16_000_u64)
            .map(|number| {
                let mut author = [salt; 16];
                author[..8].copy_from_slice(&number.to_be_bytes());
                let chain = ChainHash(lastmile_log::sha256(&author));
                Entry { segment: Segment::trunk(AuthorId(author)), seq: number + 1, chain }
            })
            .collect()
    };
    let (ours, theirs) = (vector(1), vector(2));
    let start = std::time::Instant::now();
    let plan = lastmile_protocol::plan::plan(&ours, &theirs, &std::collections::BTreeMap::new());
    println!("plan of 2 x 16,000 entries: {:?}, {} logs", start.elapsed(), plan.send.len());
    let world = World::new();
    let a = world.device(1);
    let scope = world.scope();
    let one = LocalScope::new(scope.clone(), ours);
    let mut session = Session::new(config(&a, Role::Responder, Carrier::OneShot), vec![one]);
    let mut bytes = hello(world.deployment.id, std::slice::from_ref(&scope), 1).encode().unwrap();
    bytes.extend(Frame::Vector(VectorFrame { scope, vector: theirs, pending: Vec::new() }).encode().unwrap());
    let start = std::time::Instant::now();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[session.receive(rest).unwrap()..];
    }
    session.end_of_input();
    println!("a request of {} bytes: {:?}", bytes.len(), start.elapsed());
}
