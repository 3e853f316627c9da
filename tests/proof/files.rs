//! What the lane for files takes and lets go: the checks that planted faults must turn red.

use lastmile_client::{Clock as _, FileBudget, Replica, SystemClock};
use lastmile_log::{AuthorKey, Deployment, sha256};
use lastmile_model::{RecordId, Scope, Value};
use lastmile_protocol::Code;
use lastmile_protocol::enrol::enrol_request;
use lastmile_protocol::files::{Answer, Asker, Question, read_response, request};
use lastmile_protocol::frame::{FetchFrame, FilesFrame, PieceFrame};
use lastmile_relay::OfficeCommand;

use crate::planted::tell;
use crate::rights::{Field, add, answer_to, post, replaced, scope};

fn picture(shade: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([shade, x.to_le_bytes()[0], y.to_le_bytes()[0]]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn attached(replica: &Replica, shade: u8) -> (RecordId, [u8; 32], u64) {
    let fields = [("title", "清洁日"), ("category", "environment"), ("date", "2026-03-01"), ("kind", "service")];
    let id = add(replica, "activity", &fields.map(|(name, value)| (name, Value::from(value))));
    let attached = replica.attach(None, ("activity", id), "合影", &picture(shade)).unwrap();
    (id, attached.hash, attached.size)
}

/// A device whose program asks whatever it likes.
struct Guest {
    key: AuthorKey,
    deployment: Deployment,
}

impl Guest {
    async fn enrol(field: &Field, seed: u8, scope: Scope) -> Self {
        let invite = field.invite(|order| order.scopes = vec![scope]).await;
        let (key, now_ms, address) = (AuthorKey::from_seed(&[seed; 32]), SystemClock.now_ms(), field.relay.addr());
        let enrol = enrol_request(&key, &invite.deployment, invite.token, "平板", now_ms, [1; 16]).unwrap();
        tokio::task::spawn_blocking(move || post(address, "/v1/enrol", &enrol)).await.unwrap();
        Self { key, deployment: invite.deployment }
    }

    /// The head and the body of what the relay answers to a question. No nonce may be used twice.
    async fn ask(&self, field: &Field, question: Question, nonce: u8) -> (String, Vec<u8>) {
        let asker = Asker { key: &self.key, deployment: &self.deployment, epoch: None, app: "test", certificates: &[] };
        let ask = request(&asker, question, SystemClock.now_ms(), [nonce; 16]).unwrap();
        let address = field.relay.addr();
        tokio::task::spawn_blocking(move || answer_to(address, "/v1/files", "", &ask)).await.unwrap()
    }
}

/// A photo of the community that is kept at the relay.
async fn kept(field: &Field, name: &str, shade: u8) -> (Replica, RecordId, [u8; 32], u64) {
    let device = field.enrol(name).await;
    let (id, hash, size) = attached(&device, shade);
    device.sync().await.unwrap();
    field.relay.settle().await.unwrap();
    device.sync_files(&FileBudget { send: 1 << 20, fetch: 1 << 20, all: true }).await.unwrap();
    (device, id, hash, size)
}

fn fetch(scope: &Scope, hash: [u8; 32]) -> Question {
    Question::Fetch(FetchFrame { scope: scope.clone(), hash, offset: 0, limit: 64 << 10 })
}

/// Other bytes are not taken for a file, whoever brings them.
async fn files_are_what_their_hash_says(field: &Field) -> Result<(), String> {
    let honest = field.enrol("honest").await;
    let (_, hash, size) = attached(&honest, 1);
    honest.sync().await.unwrap();
    field.relay.settle().await.unwrap();
    let guest = Guest::enrol(field, 78, scope()).await;
    let bytes = vec![0x55; usize::try_from(size).unwrap()];
    assert_ne!(sha256(&bytes), hash);
    let piece = Question::Piece(PieceFrame { scope: scope(), hash, size, offset: 0, bytes });
    match read_response(&guest.ask(field, piece, 2).await.1).unwrap() {
        Answer::Error(error, _) if error.code == Code::FileRefused && error.arguments == ["hash"] => Ok(()),
        answer => Err(format!("other bytes were taken for a file: {answer:?}")),
    }
}

/// Of files of another community nothing is served, taken or said that is not said of a community that there is not.
async fn files_stay_in_their_community(field: &Field) -> Result<(), String> {
    let (_, _, hash, size) = kept(field, "neighbour", 3).await;
    let nowhere = Scope::community("430199001001").unwrap();
    let guest = Guest::enrol(field, 81, Scope::community("430104008008").unwrap()).await;
    let questions = |scope: &Scope| {
        let bytes = vec![0x55; 9];
        let piece = PieceFrame { scope: scope.clone(), hash, size, offset: 0, bytes };
        let files = FilesFrame { scope: scope.clone(), hashes: vec![hash] };
        [("served", fetch(scope, hash)), ("spoken of", Question::Files(files)), ("taken", Question::Piece(piece))]
    };
    let mut nonce = 2;
    for ((what, of_other), (_, of_none)) in questions(&scope()).into_iter().zip(questions(&nowhere)) {
        let (_, other) = guest.ask(field, of_other, nonce).await;
        let (_, none) = guest.ask(field, of_none, nonce + 1).await;
        nonce += 2;
        if replaced(&other, scope().code(), nowhere.code()) != none {
            return Err(format!("a file of another community was {what}"));
        }
    }
    Ok(())
}

/// What is answered about files is nothing that a browser shows.
async fn files_are_not_shown(field: &Field) -> Result<(), String> {
    let (_, _, hash, _) = kept(field, "exhibitor", 4).await;
    let guest = Guest::enrol(field, 82, scope()).await;
    for (what, hash, nonce) in [("a file", hash, 2), ("a refusal", [9; 32], 3)] {
        let (head, body) = guest.ask(field, fetch(&scope(), hash), nonce).await;
        assert_eq!(matches!(read_response(&body).unwrap(), Answer::Piece(_)), what == "a file");
        let head = head.to_lowercase();
        let lines: Vec<&str> = head.lines().collect();
        for line in ["x-content-type-options: nosniff", "content-disposition: attachment", "cache-control: no-store"] {
            if !lines.contains(&line) {
                return Err(format!("{what} came without `{line}`"));
            }
        }
    }
    Ok(())
}

/// A device that was revoked gets no file any more.
async fn revoked_devices_get_no_files(field: &Field) -> Result<(), String> {
    let (_, _, hash, _) = kept(field, "colleague", 5).await;
    let guest = Guest::enrol(field, 83, scope()).await;
    let author = guest.key.author(&guest.deployment).to_string();
    let served = async |nonce| read_response(&guest.ask(field, fetch(&scope(), hash), nonce).await.1).unwrap();
    assert!(matches!(served(2).await, Answer::Piece(_)), "it is served while it may be");
    field.office(OfficeCommand::Revoke { author, reason: "丢失".to_owned() }).await;
    match served(3).await {
        Answer::Error(error, _) if error.code == Code::NotFound => Ok(()),
        Answer::Piece(_) => Err("a revoked device was served a file".to_owned()),
        answer => Err(format!("a revoked device was answered {answer:?}")),
    }
}

/// What is attached to an erased record is nowhere any more.
async fn files_go_with_their_record(field: &Field) -> Result<(), String> {
    let (device, id, hash, _) = kept(field, "photographer", 2).await;
    let folder = field.folder.path().join("relay/attachments/community").join(scope().code());
    let at_relay = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
    let before = at_relay();
    assert!(before > 0, "the photo has not come");
    let erase =
        OfficeCommand::Erase { record_type: Some("activity".to_owned()), id: id.0, reason: "本人要求".to_owned() };
    field.office(erase).await;
    let after = at_relay();
    device.sync().await.unwrap();
    if after > 0 || device.file(&hash).unwrap().is_some() {
        return Err("the photo of an erased record stays".to_owned());
    }
    Ok(())
}

/// The photo of what is held back is taken: a release is to find it.
async fn photos_of_what_is_held_back_come(field: &Field) -> Result<(), String> {
    let device = field.enrol("doubtful").await;
    let (_, hash, _) = attached(&device, 6);
    device.sync().await.unwrap();
    field.relay.settle().await.unwrap();
    let (scope, author) = (scope().to_string(), device.author().to_string());
    field.office(OfficeCommand::Quarantine { scope, author, from: 1, to: None, reason: "存疑".to_owned() }).await;
    device.sync_files(&FileBudget { send: 1 << 20, fetch: 1 << 20, all: true }).await.unwrap();
    let folder = field.folder.path().join("relay/attachments/community").join(crate::rights::scope().code());
    let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let came = std::fs::read_dir(&folder)
        .is_ok_and(|mut files| files.any(|file| file.unwrap().file_name().to_string_lossy().starts_with(&name)));
    if came { Ok(()) } else { Err("the photo of what is held back is not taken".to_owned()) }
}

/// A photo as a phone writes it: after its first marker stands where it was taken.
fn from_a_phone() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let plain = image::RgbImage::from_pixel(64, 48, image::Rgb([9, 9, 9]));
    plain.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let plain = bytes.into_inner();
    let place = b"http://ns.adobe.com/xap/1.0/\0<x exif:GPSLatitude='28,11N'/>";
    let length = u16::try_from(place.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, place, &plain[2..]].concat()
}

/// Where a photo was taken stays with whoever took it.
async fn places_are_taken_out(field: &Field) -> Result<(), String> {
    let device = field.enrol("phone").await;
    let fields = [("title", "清洁日"), ("category", "environment"), ("date", "2026-03-01"), ("kind", "service")];
    let id = add(&device, "activity", &fields.map(|(name, value)| (name, Value::from(value))));
    let attached = device.attach(None, ("activity", id), "合影", &from_a_phone()).unwrap();
    let kept = device.file(&attached.hash).unwrap().unwrap();
    if kept.windows(3).any(|window| window == b"GPS") {
        return Err("a photo says where it was taken".to_owned());
    }
    Ok(())
}

async fn checks() -> Result<(), String> {
    let field = Field::new().await;
    places_are_taken_out(&field).await?;
    files_are_what_their_hash_says(&field).await?;
    files_go_with_their_record(&field).await?;
    files_stay_in_their_community(&field).await?;
    files_are_not_shown(&field).await?;
    revoked_devices_get_no_files(&field).await?;
    photos_of_what_is_held_back_come(&field).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_theirs() {
    checks().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the planted faults in a process of its own"]
async fn a_fault_is_noticed() {
    tell(checks().await);
}
