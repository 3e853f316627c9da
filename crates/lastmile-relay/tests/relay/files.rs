//! Files of attachments: by hash, in pieces, for whoever may read the scope, and nothing but what a record names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lastmile_crdt::Edit;
use lastmile_log::{sha256, verify_file};
use lastmile_model::{ChangeHash, RecordId, Scope, Value};
use lastmile_protocol::Code;
use lastmile_protocol::files::{Answer, Asker, Question, read_response, request};
use lastmile_protocol::frame::{FetchFrame, FileState, FilesFrame, PieceFrame};
use lastmile_relay::{
    FilePlace, OfficeAnswer, OfficeCommand, RelayFolder, RelayOptions, RunningRelay, check_files, file_folder, restore,
};
use lastmile_store::RecordEdit;
use lastmile_web::Limits;
use tempfile::TempDir;

use crate::device::{
    COMMUNITY, Device, OTHER_COMMUNITY, activity, apart, change, community, create, enrolled, fresh, fresh_id, options,
    post, relay, start_with,
};

/// What looks like a photo to whoever decodes nothing.
fn picture((width, height): (u16, u16), length: usize) -> Vec<u8> {
    let [w1, w2] = width.to_be_bytes();
    let [h1, h2] = height.to_be_bytes();
    let mut out = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, h1, h2, w1, w2, 1, 1, 0x11, 0];
    out.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0x3f, 0]);
    let salt: [u8; 16] = fresh();
    out.extend(salt.iter().map(|byte| byte & 0x7f));
    out.extend(std::iter::repeat_n(0x55, length.saturating_sub(out.len() + 2)));
    out.extend([0xff, 0xd9]);
    out
}

/// The record that names a file, with what it says of it.
fn attachment(of: RecordId, bytes: &[u8], form: &str) -> (RecordId, RecordEdit) {
    let id = fresh_id();
    let fields = vec![
        Edit::set("record", Value::reference(of)),
        Edit::set("hash", Value::Bytes(sha256(bytes).to_vec())),
        Edit::set("size", Value::Int(bytes.len() as i64)),
        Edit::set("form", form),
        Edit::set("name", "../../etc/passwd"),
    ];
    (id, create("attachment", id, fields))
}

/// A device that has saved and synced a record which names a file; the attachment's record and the one it belongs to.
async fn attached(mut device: Device, bytes: &[u8], form: &'static str) -> (Device, RecordId, RecordId) {
    let bytes = bytes.to_vec();
    apart(move || {
        let of = fresh_id();
        let (id, edit) = attachment(of, &bytes, form);
        device.save(vec![activity(of, "清洁日", 20), edit]);
        assert_eq!(device.sync(), None);
        (device, id, of)
    })
    .await
}

fn body(device: &Device, question: Question) -> Vec<u8> {
    let asker = Asker {
        key: &device.key,
        deployment: &device.deployment,
        epoch: Some(device.epoch),
        app: "test",
        certificates: &[],
    };
    request(&asker, question, device.now_ms, fresh()).unwrap()
}

async fn raw(device: &Device, question: Question) -> Vec<u8> {
    let (addr, body) = (device.addr, body(device, question));
    apart(move || post(addr, "/v1/files", &body)).await
}

async fn ask(device: &Device, question: Question) -> Answer {
    read_response(&raw(device, question).await).unwrap()
}

fn piece(scope: &Scope, bytes: &[u8], from: usize, to: usize) -> Question {
    let (hash, size) = (sha256(bytes), bytes.len() as u64);
    let part = bytes[from..to].to_vec();
    Question::Piece(PieceFrame { scope: scope.clone(), hash, size, offset: from as u64, bytes: part })
}

fn fetch(scope: &Scope, hash: [u8; 32], offset: u64) -> Question {
    Question::Fetch(FetchFrame { scope: scope.clone(), hash, offset, limit: 64 << 10 })
}

fn files(scope: &Scope, hash: [u8; 32]) -> Question {
    Question::Files(FilesFrame { scope: scope.clone(), hashes: vec![hash] })
}

/// What the relay says of the one file.
fn state(answer: &Answer) -> FileState {
    let Answer::Held(held) = answer else { panic!("{answer:?}") };
    held.files[0].state
}

fn refusal(answer: &Answer) -> (Code, Option<String>) {
    let Answer::Error(error, _) = answer else { panic!("{answer:?}") };
    (error.code, error.arguments.first().cloned())
}

/// Brings a file in pieces of 64 KiB; the last answer.
async fn upload(device: &Device, bytes: &[u8]) -> Answer {
    let scope = device.scope.clone();
    let mut from = 0;
    loop {
        let to = bytes.len().min(from + (64 << 10));
        let answer = ask(device, piece(&scope, bytes, from, to)).await;
        if !matches!(&answer, Answer::Held(held) if matches!(held.files[0].state, FileState::Begun(_))) {
            return answer;
        }
        assert_eq!(state(&answer), FileState::Begun(to as u64));
        from = to;
    }
}

async fn download(device: &Device, hash: [u8; 32]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let answer = ask(device, fetch(&device.scope, hash, all.len() as u64)).await;
        let Answer::Piece(piece) = answer else { panic!("{answer:?}") };
        if piece.bytes.is_empty() {
            return all;
        }
        all.extend(piece.bytes);
    }
}

/// Every file below a folder.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

fn named(relay: &Path, bytes: &[u8]) -> PathBuf {
    relay.join("attachments/community").join(COMMUNITY).join(ChangeHash(sha256(bytes)).to_string())
}

async fn with(options: RelayOptions) -> (TempDir, RunningRelay) {
    let folder = TempDir::new().unwrap();
    let relay = start_with(folder.path(), &options, Limits::default()).await;
    (folder, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_up_in_pieces_and_comes_down_to_whoever_may_read() {
    let (folder, relay) = relay().await;
    let photo = picture((400, 300), 150_000);
    let (one, ..) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (scope, hash) = (one.scope.clone(), sha256(&photo));
    assert_eq!(state(&ask(&one, files(&scope, hash)).await), FileState::Begun(0));
    assert_eq!(state(&ask(&one, piece(&scope, &photo, 0, 65_536)).await), FileState::Begun(65_536));
    assert_eq!(state(&ask(&one, files(&scope, hash)).await), FileState::Begun(65_536));
    // A gap and what came already change nothing.
    for (from, to) in [(100_000, 110_000), (0, 65_536)] {
        assert_eq!(state(&ask(&one, piece(&scope, &photo, from, to)).await), FileState::Begun(65_536));
    }
    assert_eq!(refusal(&ask(&one, fetch(&scope, hash, 0)).await).0, Code::NotFound, "half a file is served to nobody");
    assert_eq!(state(&ask(&one, piece(&scope, &photo, 65_536, 131_072)).await), FileState::Begun(131_072));
    let FileState::Whole(signature) = state(&ask(&one, piece(&scope, &photo, 131_072, 150_000)).await) else {
        panic!("the file is whole")
    };
    let public = one.store.trust().unwrap().certificate(one.epoch).unwrap().public;
    assert!(verify_file(&public, &one.deployment, &scope, &hash, &signature));
    assert_eq!(std::fs::read(named(folder.path(), &photo)).unwrap(), photo);
    assert_eq!(std::fs::read_dir(folder.path().join("arriving")).unwrap().count(), 0);
    let two = enrolled(&relay, COMMUNITY).await;
    assert_eq!(download(&two, hash).await, photo);
    assert!(matches!(state(&ask(&two, piece(&scope, &photo, 0, 10)).await), FileState::Whole(_)));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_forbidden_get_the_same_answer() {
    let (_folder, relay) = relay().await;
    let photo = picture((40, 30), 5_000);
    let (one, ..) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    assert!(matches!(state(&upload(&one, &photo).await), FileState::Whole(_)));
    let stranger = enrolled(&relay, OTHER_COMMUNITY).await;
    let other = picture((40, 30), 5_000);
    let (hash, guess) = (sha256(&photo), sha256(&other));
    let mut answers = Vec::new();
    for scope in [&one.scope, &stranger.scope, &community("430104008009")] {
        for (hash, bytes) in [(hash, &photo), (guess, &other)] {
            let told = state(&ask(&stranger, files(scope, hash)).await);
            assert_eq!(told, FileState::Unknown);
            answers
                .push((raw(&stranger, fetch(scope, hash, 0)).await, raw(&stranger, piece(scope, bytes, 0, 99)).await));
        }
    }
    assert!(answers.iter().all(|(fetched, brought)| *fetched == answers[0].0 && brought == fetched));
    assert_eq!(refusal(&read_response(&answers[0].0).unwrap()), (Code::NotFound, None));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_brings_what_is_its_own_and_gets_nothing() {
    let (_folder, relay) = relay().await;
    let (photo, late) = (picture((40, 30), 5_000), picture((41, 30), 5_000));
    let (lost, ..) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (lost, ..) = attached(lost, &late, "jpeg").await;
    upload(&lost, &photo).await;
    let revoke = OfficeCommand::Revoke { author: lost.author.to_string(), reason: "手机丢失".to_owned() };
    relay.office().run(revoke).await.unwrap();
    assert_eq!(refusal(&ask(&lost, fetch(&lost.scope, sha256(&photo), 0)).await).0, Code::NotFound);
    assert!(matches!(state(&upload(&lost, &late).await), FileState::Whole(_)), "what was saved before is not lost");
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_but_what_a_record_names_and_only_if_it_is_that() {
    let (folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let stray = picture((40, 30), 5_000);
    assert_eq!(refusal(&upload(&device, &stray).await).0, Code::NotFound, "no record names it");
    let mut with_exif = picture((40, 30), 3_000);
    drop(with_exif.splice(2..2, [&[0xff, 0xe1, 0, 14][..], b"Exif\0\0GPSDAT"].concat()));
    let mut document = b"%PDF-1.4 ".to_vec();
    document.extend(b"<exif:GPSLatitude>28.19</exif:GPSLatitude>");
    let cases: [(Vec<u8>, &'static str, &str); 7] = [
        (with_exif, "jpeg", "metadata"),
        (document, "pdf", "metadata"),
        (picture((60_000, 60_000), 3_000), "jpeg", "too_large"),
        (picture((40, 30), 3_000), "png", "form"),
        (b"MZ\x90\0 this program cannot be run".to_vec(), "jpeg", "kind"),
        (picture((40, 30), 3_000)[..2_000].to_vec(), "jpeg", "damaged"),
        (b"%PDF-1.4 plain".to_vec(), "../../pdf", "form"),
    ];
    for (bytes, form, why) in cases {
        (device, ..) = attached(device, &bytes, form).await;
        let brought = upload(&device, &bytes).await;
        assert_eq!(refusal(&brought), (Code::FileRefused, Some(why.to_owned())));
        assert_eq!(refusal(&ask(&device, fetch(&device.scope, sha256(&bytes), 0)).await).0, Code::NotFound);
    }
    // Other bytes under the hash of a file: at once, and in pieces.
    let promised = picture((40, 30), 150_000);
    (device, ..) = attached(device, &promised, "jpeg").await;
    let (scope, hash) = (device.scope.clone(), sha256(&promised));
    let forged = |from: usize, to: usize| {
        let bytes = vec![0x41; to - from];
        Question::Piece(PieceFrame { scope: scope.clone(), hash, size: 150_000, offset: from as u64, bytes })
    };
    assert_eq!(refusal(&ask(&device, forged(0, 150_000)).await), (Code::FileRefused, Some("hash".to_owned())));
    assert_eq!(state(&ask(&device, forged(0, 100_000)).await), FileState::Begun(100_000));
    assert_eq!(refusal(&ask(&device, forged(100_000, 150_000)).await), (Code::FileRefused, Some("hash".to_owned())));
    let longer = PieceFrame { scope: scope.clone(), hash, size: 150_001, offset: 0, bytes: vec![1] };
    assert_eq!(refusal(&ask(&device, Question::Piece(longer)).await), (Code::FileRefused, Some("size".to_owned())));
    for place in ["attachments", "arriving"] {
        assert_eq!(everything(&folder.path().join(place)), Vec::<PathBuf>::new());
    }
    assert!(matches!(state(&upload(&device, &promised).await), FileState::Whole(_)), "the right bytes still come");
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_small() {
    let (_folder, relay) = relay().await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    let photo = picture((4_000, 3_000), 9_000);
    for (small, taken) in [
        (picture((320, 240), 9_000), true),
        (picture((321, 240), 9_000), false),
        (picture((320, 240), 70_000), false),
        (b"%PDF-1.4 small".to_vec(), false),
    ] {
        let (_, mut edit) = attachment(fresh_id(), &photo, "jpeg");
        edit.edits.push(Edit::set("thumb", Value::Bytes(sha256(&small).to_vec())));
        edit.edits.push(Edit::set("thumb_size", Value::Int(small.len() as i64)));
        device = apart(move || {
            device.save(vec![edit]);
            assert_eq!(device.sync(), None);
            device
        })
        .await;
        let answer = upload(&device, &small).await;
        assert_eq!(matches!(&answer, Answer::Held(_)), taken, "{answer:?}");
    }
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_attachment_is_gone_unless_another_record_names_its_file() {
    let (folder, relay) = relay().await;
    let photo = picture((40, 30), 5_000);
    let (one, first, _) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (one, _, of) = attached(one, &photo, "jpeg").await;
    upload(&one, &photo).await;
    let erase = |record_type: &str, id: RecordId| OfficeCommand::Erase {
        record_type: Some(record_type.to_owned()),
        id: id.0,
        reason: "本人要求".to_owned(),
    };
    relay.office().run(erase("attachment", first)).await.unwrap();
    assert!(named(folder.path(), &photo).exists(), "the other attachment names it");
    let OfficeAnswer::Erased { records } = relay.office().run(erase("activity", of)).await.unwrap() else { panic!() };
    assert_eq!(records.len(), 2, "what is attached goes with what it belongs to");
    assert!(!named(folder.path(), &photo).exists());
    assert_eq!(refusal(&ask(&one, fetch(&one.scope, sha256(&photo), 0)).await).0, Code::NotFound);
    assert_eq!(refusal(&upload(&one, &photo).await).0, Code::NotFound);
    // Attached anew it is a file like any other.
    let (one, ..) = attached(one, &photo, "jpeg").await;
    assert!(matches!(state(&upload(&one, &photo).await), FileState::Whole(_)));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_its_measure_of_files() {
    let (_folder, relay) = with(RelayOptions { daily_file_bytes: 8_000, ..options() }).await;
    let mut device = enrolled(&relay, COMMUNITY).await;
    for expected in [true, true, false] {
        let photo = picture((40, 30), 5_000);
        (device, ..) = attached(device, &photo, "jpeg").await;
        let answer = upload(&device, &photo).await;
        match expected {
            true => assert!(matches!(state(&answer), FileState::Whole(_))),
            false => assert_eq!(refusal(&answer).0, Code::OverQuota),
        }
    }
    let photo = picture((40, 30), 5_000);
    let (heir, ..) = attached(device.heir(), &photo, "jpeg").await;
    assert_eq!(refusal(&upload(&heir, &photo).await).0, Code::OverQuota, "another author is no other device");
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_stops_between_pieces_goes_on_from_there_and_one_without_room_says_so() {
    let (folder, relay) = relay().await;
    let photo = picture((40, 30), 150_000);
    let (mut one, ..) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (scope, hash) = (one.scope.clone(), sha256(&photo));
    ask(&one, piece(&scope, &photo, 0, 100_000)).await;
    relay.stop().await.unwrap();
    // What stands in the way of the store's folder is to it as a full disk.
    let blocked = folder.path().join("attachments/community");
    std::fs::write(&blocked, b"").unwrap();
    let relay = start_with(folder.path(), &options(), Limits::default()).await;
    one.addr = relay.addr();
    assert_eq!(state(&ask(&one, files(&scope, hash)).await), FileState::Begun(100_000));
    assert_eq!(refusal(&ask(&one, piece(&scope, &photo, 100_000, 150_000)).await).0, Code::CannotStore);
    assert_eq!(state(&ask(&one, files(&scope, hash)).await), FileState::Begun(150_000), "what came is not lost");
    std::fs::remove_file(&blocked).unwrap();
    assert!(matches!(state(&ask(&one, piece(&scope, &photo, 150_000, 150_000)).await), FileState::Whole(_)));
    assert_eq!(download(&one, hash).await, photo);
    // A file that is not there, for its disk is not, is served again when it is.
    let (kept, aside) = (named(folder.path(), &photo), folder.path().join("aside"));
    std::fs::rename(&kept, &aside).unwrap();
    assert_eq!(refusal(&ask(&one, fetch(&scope, hash, 0)).await).0, Code::NotFound);
    std::fs::rename(&aside, &kept).unwrap();
    assert_eq!(download(&one, hash).await, photo);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_store_will_do() {
    let store: Arc<dyn object_store::ObjectStore> = Arc::new(object_store::memory::InMemory::new());
    let (folder, relay) = with(RelayOptions { files: Some(FilePlace::Given(store)), ..options() }).await;
    let photo = picture((40, 30), 150_000);
    let (one, first, _) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    assert!(matches!(state(&upload(&one, &photo).await), FileState::Whole(_)));
    assert_eq!(download(&one, sha256(&photo)).await, photo);
    assert!(!folder.path().join("attachments").exists());
    let erase =
        OfficeCommand::Erase {
            record_type: Some("attachment".to_owned()), id: first.0, reason: "本人要求".to_owned()
        };
    relay.office().run(erase).await.unwrap();
    assert_eq!(refusal(&ask(&one, fetch(&one.scope, sha256(&photo), 0)).await).0, Code::NotFound);
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_overtakes_an_upload() {
    use futures_util::TryStreamExt as _;
    use object_store::ObjectStore;
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    let slow = ThrottleConfig { wait_put_per_call: std::time::Duration::from_secs(2), ..ThrottleConfig::default() };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let files: Arc<dyn ObjectStore> = Arc::<ThrottledStore<InMemory>>::clone(&store);
    let (folder, relay) = with(RelayOptions { files: Some(FilePlace::Given(files)), ..options() }).await;
    let (photo, begun) = (picture((40, 30), 150_000), picture((40, 30), 150_000));
    let (one, _, of) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (one, _, other) = attached(one, &begun, "jpeg").await;
    ask(&one, piece(&one.scope, &begun, 0, 100_000)).await;
    let erase = |id: RecordId| OfficeCommand::Erase {
        record_type: Some("activity".to_owned()),
        id: id.0,
        reason: "本人要求".to_owned(),
    };
    let (brought, erased) = tokio::join!(upload(&one, &photo), async {
        // The last piece is there by then, and is being put away.
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        relay.office().run(erase(of)).await
    });
    assert!(erased.is_ok());
    assert_eq!(refusal(&brought).0, Code::NotFound);
    relay.office().run(erase(other)).await.unwrap();
    // What came in part goes as well.
    assert_eq!(std::fs::read_dir(folder.path().join("arriving")).unwrap().count(), 0);
    relay.stop().await.unwrap();
    assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_the_files_and_a_check_names_what_is_missing() {
    let (folder, relay) = relay().await;
    let (photo, other) = (picture((40, 30), 5_000), picture((40, 30), 6_000));
    let (one, ..) = attached(enrolled(&relay, COMMUNITY).await, &photo, "jpeg").await;
    let (one, ..) = attached(one, &other, "jpeg").await;
    upload(&one, &photo).await;
    upload(&one, &other).await;
    let to = folder.path().join("copy");
    relay.office().run(OfficeCommand::Backup { to: to.clone() }).await.unwrap();
    relay.stop().await.unwrap();
    let checked = |path: &Path| {
        let desk = lastmile_relay::OfficeDesk::open(path, &options()).unwrap();
        drop(desk);
        let catalogue = lastmile_model::Catalogue::builtin();
        let file = path.join("relay.db");
        let storage = lastmile_store::sqlite::open(&file, &lastmile_store::sqlite::OpenOptions::default(), catalogue);
        let store = lastmile_store::Store::new(storage.unwrap(), Arc::new(catalogue.clone())).unwrap();
        check_files(&file_folder(path, &store).unwrap().unwrap(), &store).unwrap()
    };
    assert_eq!(checked(folder.path()), Vec::<String>::new());
    std::fs::remove_file(named(folder.path(), &photo)).unwrap();
    std::fs::write(named(folder.path(), &other), b"rot").unwrap();
    assert_eq!(checked(folder.path()).len(), 2);
    std::fs::remove_file(named(folder.path(), &other)).unwrap();
    drop::<(_, RelayFolder)>(restore(&to, folder.path(), &options()).unwrap());
    assert_eq!(checked(folder.path()), Vec::<String>::new());
    assert_eq!(std::fs::read(named(folder.path(), &photo)).unwrap(), photo);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sender_calls_a_file_reaches_no_path() {
    let (folder, relay) = relay().await;
    let before = everything(folder.path());
    let mut device = enrolled(&relay, COMMUNITY).await;
    let long = "好".repeat(4_000);
    let names = [
        "../../../../etc/passwd",
        "..\\..\\windows\\system32\\x.dll",
        "/etc/shadow",
        "C:\\x.jpg",
        "\\\\server\\share\\x",
        "a\0b.jpg",
        "CON",
        "x.jpg:stream",
        ".",
        "..",
        "",
        "%2e%2e%2fx",
        "\u{202e}gpj.exe",
        long.as_str(),
    ];
    for name in names {
        let photo = picture((40, 30), 3_000);
        let (id, edit) = attachment(fresh_id(), &photo, "jpeg");
        let renamed = change("attachment", id, vec![Edit::set("name", name)]);
        device = apart(move || {
            device.save(vec![edit]);
            device.save(vec![renamed]);
            assert_eq!(device.sync(), None);
            device
        })
        .await;
        upload(&device, &photo).await;
    }
    relay.stop().await.unwrap();
    let new = everything(folder.path()).into_iter().filter(|path| !before.contains(path));
    let of_files: Vec<PathBuf> = new.filter(|path| path.starts_with(folder.path().join("attachments"))).collect();
    assert_eq!(of_files.len(), names.len());
    for path in of_files {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
}
