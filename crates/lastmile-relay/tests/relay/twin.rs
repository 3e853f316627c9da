//! Two communities with the same content: whatever a device of one asks about the other, by whichever route, it gets not a byte of it
//! and the same answer as about a community that does not exist.

use lastmile_crdt::Edit;
use lastmile_log::{Segment, Vector, sha256};
use lastmile_model::{AuthorId, ChainHash, Scope, Value};
use lastmile_protocol::files::{Asker, Question, request};
use lastmile_protocol::frame::{
    BatchFrame, End, FetchFrame, FilesFrame, Hello, HelloScope, OwnHead, PieceFrame, SealsFrame, VectorFrame, Want,
};
use lastmile_protocol::{Code, Frame};

use crate::device::{
    COMMUNITY, Device, OTHER_COMMUNITY, activity, apart, community, create, enrolled, error_in, fresh, fresh_id, get,
    post, relay,
};
use crate::live::Live;

/// A community of which the relay knows nothing.
const NOWHERE: &str = "430199001001";

/// What stands in the other community and must not be seen.
const SECRET: &str = "他区标记五";

/// A file of the other community.
const FILE: &[u8] = b"%PDF-1.7\n%%EOF\n";

fn hello(device: &Device, scopes: &[&Scope]) -> Hello {
    let named = |scope: &&Scope| HelloScope { scope: (*scope).clone(), digest: [7; 32], own: OwnHead::default() };
    let mut scopes: Vec<HelloScope> = scopes.iter().map(named).collect();
    scopes.sort_by(|one, other| one.scope.cmp(&other.scope));
    Hello {
        min_version: 1,
        max_version: 1,
        deployment: device.deployment.id,
        author: device.author,
        epoch: Some(device.epoch),
        app: "test".to_owned(),
        credit: 1 << 20,
        challenge: None,
        late_scopes: false,
        scopes,
        extension: Vec::new(),
    }
}

/// A sealed batch of the device's own in a scope.
fn own_batch(device: &mut Device, scope: &Scope) -> Frame {
    device.store.hold_scope(scope).unwrap();
    device.save_in(scope, vec![activity(fresh_id(), "混入", 1)]);
    device.store.seal(&device.key, scope).unwrap();
    let (batches, _) = device.store.path_batches(scope, &Segment::trunk(device.author), 0, u64::MAX).unwrap();
    let batch = batches.into_iter().next().unwrap();
    Frame::Batch(BatchFrame { scope: scope.clone(), author: device.author, seals: batch.seals, packed: batch.packed })
}

/// Everything that can be asked or said of a scope and an author in it.
fn questions(device: &mut Device, scope: &Scope, author: AuthorId) -> Vec<(&'static str, Vec<Frame>)> {
    let vector = |vector| Frame::Vector(VectorFrame { scope: scope.clone(), vector, pending: Vec::new() });
    let claimed: Vector = [lastmile_log::Entry { segment: Segment::trunk(author), seq: 1, chain: ChainHash([3; 32]) }]
        .into_iter()
        .collect();
    let want = |segment, after| Frame::Want(Want { scope: scope.clone(), segment, after });
    let position = (1, ChainHash([3; 32]));
    vec![
        ("hello", Vec::new()),
        ("vector", vec![vector(Vector::default())]),
        ("claim", vec![vector(claimed)]),
        ("want", vec![want(Segment::trunk(author), 0)]),
        ("branch", vec![want(Segment { author, start: 1, first: ChainHash([4; 32]) }, 0)]),
        ("seals", vec![Frame::Seals(SealsFrame { scope: scope.clone(), author, positions: vec![position] })]),
        ("vector and want", vec![vector(Vector::default()), want(Segment::trunk(author), 0)]),
        ("batch", vec![own_batch(device, scope)]),
    ]
}

/// What a request about a scope is answered.
fn asked(device: &Device, named: &[&Scope], frames: &[Frame]) -> Vec<u8> {
    let end = Frame::End(End { equal: false, more: false, handled: 0 });
    let all = [&[Frame::Hello(hello(device, named))], frames, &[end]].concat();
    let mut body: Vec<u8> = all.iter().flat_map(|frame| frame.encode().unwrap()).collect();
    device.signed(&mut body);
    post(device.addr, "/v1/sync", &body)
}

/// Everything that can be asked of a file in a scope, and what is answered.
fn asked_of_files(device: &Device, scope: &Scope, hash: [u8; 32]) -> Vec<(&'static str, Vec<u8>)> {
    let piece = |offset, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        Question::Piece(PieceFrame { scope: scope.clone(), hash, size: FILE.len() as u64, offset, bytes })
    };
    let fetch = |offset| Question::Fetch(FetchFrame { scope: scope.clone(), hash, offset, limit: 64 << 10 });
    let questions = [
        ("files", Question::Files(FilesFrame { scope: scope.clone(), hashes: vec![hash] })),
        ("fetch", fetch(0)),
        ("fetch beyond", fetch(1 << 30)),
        ("whole", piece(0, FILE)),
        ("piece", piece(0, &FILE[..9])),
        ("whole but another", piece(0, &[0x41; FILE.len()])),
        ("piece beyond", piece(FILE.len() as u64, &[])),
    ];
    let answer = |(what, question)| {
        let asker = Asker {
            key: &device.key,
            deployment: &device.deployment,
            epoch: Some(device.epoch),
            app: "test",
            certificates: &[],
        };
        let body = request(&asker, question, device.now_ms, fresh()).unwrap();
        (what, post(device.addr, "/v1/files", &body))
    };
    questions.into_iter().map(answer).collect()
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(from.len() - 1) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_is_silent_about_another_on_every_route() {
    let (_folder, relay) = relay().await;
    let (mut here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let id = fresh_id();
    let (here, there) = apart(move || {
        for (device, title) in [(&mut here, "本区"), (&mut there, SECRET)] {
            device.save(vec![activity(id, title, 1)]);
            assert_eq!(device.sync(), None);
        }
        (here, there)
    })
    .await;
    relay.settle().await.unwrap();
    let (other, nowhere) = (community(OTHER_COMMUNITY), community(NOWHERE));
    let stranger = AuthorId(fresh());
    let victim = there.author;
    let here = apart(move || {
        let mut here = here;
        let mut answers = Vec::new();
        for (scope, author) in [(&other, victim), (&nowhere, stranger)] {
            let own = here.scope.clone();
            let mut of_scope = Vec::new();
            for (what, frames) in questions(&mut here, scope, author) {
                for named in [vec![scope], vec![&own], vec![&own, scope]] {
                    of_scope.push((what, named.len(), asked(&here, &named, &frames)));
                }
            }
            // Of its own scope, by an author of the other's.
            for (what, frames) in questions(&mut here, &own, author) {
                if what != "batch" {
                    of_scope.push((what, 9, asked(&here, &[&own], &frames)));
                }
            }
            answers.push(of_scope);
        }
        let [of_other, of_nowhere] = answers.try_into().unwrap();
        for ((what, named, answer), (.., expected)) in of_other.into_iter().zip(of_nowhere) {
            assert!(!holds(&answer, SECRET.as_bytes()) && !holds(&answer, &there.key.public()), "{what} {named}");
            let answer = replaced(&answer, OTHER_COMMUNITY.as_bytes(), NOWHERE.as_bytes());
            assert_eq!(replaced(&answer, &victim.0, &stranger.0), expected, "{what} {named}");
        }
        here
    })
    .await;
    // The record of the same id in its own community is its own.
    let mut reader = relay.reader().await.unwrap();
    for (code, title) in [(COMMUNITY, "本区"), (OTHER_COMMUNITY, SECRET)] {
        let record = reader.record("activity", id, Some(&community(code))).unwrap();
        assert_eq!(record.values["title"].as_str(), Some(title));
        let counts = reader.counts(Some(&community(code))).unwrap();
        assert_eq!((counts.quarantined, counts.pending), (0, 0), "nothing was taken into {code}");
    }
    assert!(reader.record("activity", id, Some(&community(NOWHERE))).is_err());
    assert_eq!(here.value("activity", id, "title").as_ref().and_then(|value| value.as_str()), Some("本区"));
    apart(move || {
        let addr = here.addr;
        for path in ["/healthz", "/readyz"] {
            let page = get(addr, path);
            assert!(!page.contains(OTHER_COMMUNITY) && !page.contains(SECRET), "{path}: {page}");
        }
        // The office's door is closed alike, whatever is asked about.
        let command = |id: uuid::Uuid| {
            serde_json::to_vec(&lastmile_relay::OfficeCommand::Erase {
                record_type: Some("activity".to_owned()),
                id,
                reason: String::new(),
            })
        };
        let closed = |id| post(addr, "/v1/office", &command(id).unwrap());
        assert_eq!(closed(id.0), closed(fresh_id().0));
        // A token that never was is refused by a word that says nothing else.
        let enrol = |token: [u8; 16]| {
            let key = lastmile_log::AuthorKey::from_seed(&fresh::<32>());
            let request = lastmile_protocol::enrol::enrol_request(
                &key,
                &here.deployment,
                token,
                "平板",
                crate::device::NOW,
                fresh(),
            );
            error_in(&post(addr, "/v1/enrol", &request.unwrap()))
        };
        assert_eq!(enrol(fresh()), Some(Code::BadToken));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_is_silent_about_the_files_of_another() {
    let (_folder, relay) = relay().await;
    let (here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let (of, hash) = (fresh_id(), sha256(FILE));
    let there = apart(move || {
        let fields = vec![
            Edit::set("record", Value::reference(of)),
            Edit::set("hash", Value::Bytes(hash.to_vec())),
            Edit::set("size", Value::Int(FILE.len() as i64)),
            Edit::set("form", "pdf"),
            Edit::set("name", SECRET),
        ];
        there.save(vec![activity(of, SECRET, 1), create("attachment", fresh_id(), fields)]);
        assert_eq!(there.sync(), None);
        there
    })
    .await;
    relay.settle().await.unwrap();
    apart(move || {
        let (other, nowhere) = (community(OTHER_COMMUNITY), community(NOWHERE));
        // Before it is kept, and while it is.
        for kept in [false, true] {
            if kept {
                let own = asked_of_files(&there, &other, hash);
                assert!(own.iter().any(|(what, answer)| *what == "whole" && error_in(answer).is_none()), "{own:?}");
                assert!(asked_of_files(&there, &other, hash).iter().any(|(_, answer)| holds(answer, FILE)));
            }
            let told = asked_of_files(&here, &other, hash);
            let unknown = asked_of_files(&here, &nowhere, hash);
            let guessed = asked_of_files(&here, &other, fresh());
            for (((what, told), (_, unknown)), (_, guessed)) in told.into_iter().zip(unknown).zip(guessed) {
                assert!(!holds(&told, FILE), "{what}");
                assert_eq!(replaced(&told, OTHER_COMMUNITY.as_bytes(), NOWHERE.as_bytes()), unknown, "{what}");
                // A refusal names nothing; a state names the hash that was asked about.
                assert!(what == "files" || told == guessed, "{what}");
            }
        }
    })
    .await;
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_another_community_is_pushed() {
    let (_folder, relay) = relay().await;
    let (mut here, mut there) = (enrolled(&relay, COMMUNITY).await, enrolled(&relay, OTHER_COMMUNITY).await);
    let mut told = Vec::new();
    here = apart(move || {
        assert_eq!(here.sync(), None);
        here
    })
    .await;
    for code in [OTHER_COMMUNITY, NOWHERE] {
        here.store.hold_scope(&community(code)).unwrap();
        let mut live = Live::start(&relay, here).await;
        there = apart(move || {
            there.save(vec![activity(fresh_id(), SECRET, 1)]);
            assert_eq!(there.sync(), None);
            there
        })
        .await;
        // Reads for a while, and panics at a batch.
        told.push(live.errors_for_a_while().await);
        here = live.device;
        assert_eq!(here.store.vector(&community(code)), Vector::default());
        here.store.forget_scope(&community(code)).unwrap();
    }
    assert_eq!(told[0], told[1]);
}
