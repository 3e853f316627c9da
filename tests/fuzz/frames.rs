//! Streams of frames that can be bent frame by frame and put together again.

use lastmile_log::{Certificate, Entry, Receipt, Seal, Segment, Vector, chain_hash};
use lastmile_model::{AuthorId, ChainHash, Scope};
use lastmile_protocol::frame::{
    Auth, BatchFrame, End, Enrol, ErrorFrame, FetchFrame, FileState, FilesFrame, FrameReader, HeldFile, HeldFrame,
    Hello, HelloScope, OwnHead, PieceFrame, RawFrame, SealsFrame, VectorFrame, Want, frame_length,
};
use lastmile_protocol::{Code, Frame, limits};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::commits;
use crate::mutate::{self, Random, number, signed_number};
use crate::support::{author, certificates, deployment, key, scope};

/// Splits bytes into whole frames and what is left over.
pub fn cut(mut data: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut frames = Vec::new();
    while let Ok(Some((length, prefix))) = frame_length(data) {
        let Some((frame, rest)) = data.split_at_checked(prefix + length) else { break };
        frames.push(frame.to_vec());
        data = rest;
    }
    (frames, data.to_vec())
}

/// Reads one whole frame.
pub fn raw(frame: &[u8]) -> Option<RawFrame> {
    let mut reader = FrameReader::new(limits::MAX_FRAME);
    reader.push(frame);
    reader.next_frame().ok().flatten()
}

/// Reads and opens one whole frame.
pub fn open(frame: &[u8]) -> Option<Frame> {
    Frame::open(&raw(frame)?, limits::MAX_FRAME).ok().flatten()
}

/// Puts length, type and flags before a payload.
pub fn envelope(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = lastmile_log::wire::Writer::new();
    out.uvarint(payload.len() as u64 + 2);
    out.u8(kind);
    out.u8(flags);
    out.raw(payload);
    out.finish()
}

fn any_author(rng: &mut Random) -> AuthorId {
    if rng.random_bool(0.8) { author(rng.random_range(1..6)) } else { AuthorId(rng.random()) }
}

fn any_scope(rng: &mut Random) -> Scope {
    let others = ["community:430104008008", "city:4301", "org:x", "office:all"];
    if rng.random_bool(0.7) { scope() } else { others.choose(rng).unwrap().parse().unwrap() }
}

fn segment(rng: &mut Random) -> Segment {
    let author = any_author(rng);
    let start = if rng.random_bool(0.7) { 0 } else { number(rng) };
    Segment { author, start, first: if start > 0 { ChainHash([rng.random(); 32]) } else { ChainHash::ZERO } }
}

fn entries(rng: &mut Random) -> Vec<Entry> {
    let count = *[0, 1, 2, 5, 200].choose(rng).unwrap();
    (0..count)
        .map(|_| Entry { segment: segment(rng), seq: number(rng).max(1), chain: ChainHash([rng.random(); 32]) })
        .collect()
}

/// A batch of a device whose key is here, with a seal that mostly verifies.
pub fn batch(packed: Vec<u8>, rng: &mut Random) -> Option<Frame> {
    let list = commits::unpacked(&packed)?;
    let last = &list.last()?.header;
    let by = (1..10).find(|by| author(*by) == last.author);
    let sealer = if rng.random_bool(0.95) { by.unwrap_or(2) } else { 4 };
    let seal = Seal::sign(&key(sealer), &deployment(), &last.scope, last.seq, chain_hash(last));
    let seals = if rng.random_bool(0.9) { vec![seal] } else { Vec::new() };
    Some(Frame::Batch(BatchFrame { scope: last.scope.clone(), author: last.author, seals, packed }))
}

/// The hello of a device that holds something.
pub fn hello(by: u8, challenge: Option<[u8; 16]>) -> Frame {
    Frame::Hello(Hello {
        min_version: 1,
        max_version: 1,
        deployment: deployment().id,
        author: author(by),
        epoch: Some(author(1)),
        app: "lastmile 0.1.0".to_owned(),
        credit: 4 << 20,
        challenge,
        late_scopes: false,
        scopes: vec![HelloScope {
            scope: scope(),
            digest: [1; 32],
            own: OwnHead { seq: 3, chain: ChainHash([3; 32]), receipted: 1 },
        }],
        extension: Vec::new(),
    })
}

/// The first hello of a relay on a stream.
fn late_hello() -> Frame {
    match hello(1, Some([2; 16])) {
        Frame::Hello(hello) => Frame::Hello(Hello { late_scopes: true, scopes: Vec::new(), ..hello }),
        other => other,
    }
}

/// Any frame at all.
pub fn any(rng: &mut Random) -> Option<Frame> {
    Some(match rng.random_range(0..19) {
        0 if rng.random_bool(0.2) => late_hello(),
        0 => hello(rng.random_range(1..5), rng.random_bool(0.5).then_some([2; 16])),
        1 | 2 => {
            let vector: Vector = entries(rng).into_iter().collect();
            Frame::Vector(VectorFrame { scope: any_scope(rng), vector, pending: entries(rng) })
        }
        3..6 => {
            let mut list = commits::log(*commits::AUTHORS.choose(rng).unwrap());
            for _ in 0..rng.random_range(0..3) {
                commits::mutate_commits(&mut list, rng);
            }
            return batch(commits::packed(&list)?, rng);
        }
        6 => {
            let (scope, by, seq) = (any_scope(rng), any_author(rng), number(rng).max(1));
            let receipt = Receipt::sign(&key(1), &deployment(), &scope, by, seq, ChainHash([rng.random(); 32]));
            Frame::Receipts(vec![receipt; rng.random_range(0..3)])
        }
        7 => {
            let mut list: Vec<Certificate> = certificates();
            list.truncate(rng.random_range(0..10));
            Frame::Certificates(list)
        }
        8 => {
            let mut positions: Vec<(u64, ChainHash)> =
                (0..rng.random_range(0..20)).map(|_| (number(rng), ChainHash([rng.random(); 32]))).collect();
            positions.sort_unstable();
            positions.dedup();
            Frame::Seals(SealsFrame { scope: any_scope(rng), author: any_author(rng), positions })
        }
        9 => Frame::Want(Want { scope: any_scope(rng), segment: segment(rng), after: number(rng) }),
        10 => Frame::Credit(number(rng)),
        11 => {
            let code = Code::from_number(number(rng) as u16);
            let arguments = (0..rng.random_range(0..9)).map(|_| mutate::text(rng)).collect();
            Frame::Error(ErrorFrame { code, arguments, retry_after_ms: number(rng) })
        }
        12 => Frame::End(End { equal: rng.random(), more: rng.random(), handled: number(rng) }),
        13 => Frame::Auth(Auth {
            time_ms: signed_number(rng).max(0),
            nonce: [rng.random(); 16],
            signature: [rng.random(); 64],
        }),
        14 => Frame::Files(FilesFrame { scope: any_scope(rng), hashes: vec![rng.random(); rng.random_range(0..5)] }),
        15 => {
            let mut state = || match rng.random_range(0..3) {
                0 => FileState::Unknown,
                1 => FileState::Begun(number(rng)),
                _ => FileState::Whole([rng.random(); 64]),
            };
            let files = [state(), state()].map(|state| HeldFile { hash: [7; 32], state }).to_vec();
            Frame::Held(HeldFrame { scope: any_scope(rng), files })
        }
        16 => {
            let (bytes, offset) = (vec![rng.random(); rng.random_range(0..300)], number(rng) % 1_000_000);
            let size = offset + bytes.len() as u64 + number(rng) % 1_000;
            Frame::Piece(PieceFrame { scope: any_scope(rng), hash: [rng.random(); 32], size, offset, bytes })
        }
        17 => {
            let (offset, limit) = (number(rng), number(rng));
            Frame::Fetch(FetchFrame { scope: any_scope(rng), hash: [rng.random(); 32], offset, limit })
        }
        _ => Frame::Enrol(Enrol { token: [rng.random(); 16], public_key: key(2).public(), device: mutate::text(rng) }),
    })
}

/// Mutates one frame: its fields, its payload, its envelope or its compression.
pub fn mutate_frame(frame: &[u8], rng: &mut Random) -> Vec<u8> {
    let Some(raw) = raw(frame) else {
        let mut bytes = frame.to_vec();
        mutate::bytes(&mut bytes, rng);
        return bytes;
    };
    let (kind, flags) = (raw.kind(), raw.flags());
    match (rng.random_range(0..12), open(frame)) {
        (0..4, Some(Frame::Batch(held))) => {
            let bent = commits::mutate_packed(&held.packed, rng);
            if let Some(Ok(bytes)) = batch(bent.clone(), rng).map(|frame| frame.encode()) {
                return bytes;
            }
            Frame::Batch(BatchFrame { packed: bent, ..held }).encode().unwrap_or_default()
        }
        (0..4, Some(Frame::Hello(mut hello))) => {
            match rng.random_range(0..9) {
                0 => hello.max_version = number(rng),
                1 => hello.min_version = number(rng),
                2 => hello.author = any_author(rng),
                3 => hello.epoch = rng.random_bool(0.6).then(|| any_author(rng)),
                4 => hello.credit = number(rng),
                5 => hello.scopes.iter_mut().for_each(|one| one.own.seq = number(rng)),
                6 => hello.scopes.iter_mut().for_each(|one| one.digest = [rng.random(); 32]),
                7 => hello.challenge = rng.random_bool(0.5).then(|| rng.random()),
                _ => hello.extension = vec![7; *[0, 1, 4096, 4097].choose(rng).unwrap()],
            }
            Frame::Hello(hello).encode().unwrap_or_default()
        }
        (4..6, _) => any(rng).and_then(|frame| frame.encode().ok()).unwrap_or_default(),
        (6, _) => {
            // The payload compressed, whether or not that is shorter, and perhaps with a lie about its size.
            let compressed = zstd::bulk::compress(raw.payload(), 1).unwrap();
            let payload = if rng.random_bool(0.4) { commits::lie(&compressed, number(rng)) } else { compressed };
            envelope(kind, flags | 1, &payload)
        }
        (7, _) => envelope(number(rng) as u8, *[0, 1, 2, 0x80, 0x81, 0xff].choose(rng).unwrap(), raw.payload()),
        (8, _) => {
            let zeros = vec![0; *[1 << 10, 64 << 10, (1 << 20) + (128 << 10), 8 << 20].choose(rng).unwrap()];
            envelope(kind, 1, &zstd::bulk::compress(&zeros, 1).unwrap())
        }
        (9, _) => {
            let mut bytes = frame.to_vec();
            mutate::bytes(&mut bytes, rng);
            bytes
        }
        _ => {
            let mut payload = raw.payload().to_vec();
            mutate::bytes(&mut payload, rng);
            envelope(kind, flags, &payload)
        }
    }
}

/// Mutates a stream of frames.
pub fn mutate_stream(data: &[u8], rng: &mut Random) -> Vec<u8> {
    let (mut frames, rest) = cut(data);
    match rng.random_range(0..8) {
        0 => mutate::shuffle(&mut frames, rng),
        1 | 2 => {
            let at = rng.random_range(0..=frames.len());
            if let Some(Ok(frame)) = any(rng).map(|frame| frame.encode()) {
                frames.insert(at, frame);
            }
        }
        3 if rng.random_bool(0.3) => {
            let mut bytes = data.to_vec();
            mutate::bytes(&mut bytes, rng);
            return bytes;
        }
        _ if !frames.is_empty() => {
            let at = rng.random_range(0..frames.len());
            frames[at] = mutate_frame(&frames[at], rng);
        }
        _ => {}
    }
    frames.push(rest);
    frames.concat()
}

/// The golden frames of the wire format.
pub fn golden() -> Vec<Vec<u8>> {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|path| path.join("schema/wire/v1").is_dir());
    let Some(folder) = folder else { return Vec::new() };
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in std::fs::read_dir(folder.join("schema/wire/v1")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let text = std::fs::read_to_string(&path).unwrap();
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            let pairs =
                digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
            found.push((path.display().to_string(), pairs.collect()));
        }
    }
    found.sort();
    found.into_iter().map(|(_, bytes)| bytes).collect()
}
