//! What the lane for files takes and lets go: the checks that planted faults must turn red.

use lastmile_client::{Clock as _, FileBudget, Replica, SystemClock};
use lastmile_log::{AuthorKey, sha256};
use lastmile_model::{RecordId, Value};
use lastmile_protocol::enrol::enrol_request;
use lastmile_protocol::files::{Answer, Asker, Question, read_response, request};
use lastmile_protocol::frame::PieceFrame;
use lastmile_relay::OfficeCommand;

use crate::planted::tell;
use crate::rights::{Field, add, post, scope};

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

/// Other bytes are not taken for a file, whoever brings them.
async fn files_are_what_their_hash_says(field: &Field) -> Result<(), String> {
    let honest = field.enrol("honest").await;
    let (_, hash, size) = attached(&honest, 1);
    honest.sync().await.unwrap();
    field.relay.settle().await.unwrap();
    let invite = field.invite(|_| {}).await;
    let (key, now_ms, address) = (AuthorKey::from_seed(&[78; 32]), SystemClock.now_ms(), field.relay.addr());
    let enrol = enrol_request(&key, &invite.deployment, invite.token, "平板", now_ms, [1; 16]).unwrap();
    let bytes = vec![0x55; usize::try_from(size).unwrap()];
    assert_ne!(sha256(&bytes), hash);
    let piece = Question::Piece(PieceFrame { scope: scope(), hash, size, offset: 0, bytes });
    let asker = Asker { key: &key, deployment: &invite.deployment, epoch: None, app: "test", certificates: &[] };
    let ask = request(&asker, piece, now_ms, [2; 16]).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        post(address, "/v1/enrol", &enrol);
        post(address, "/v1/files", &ask)
    });
    match read_response(&answer.await.unwrap()).unwrap() {
        Answer::Error(..) => Ok(()),
        answer => Err(format!("other bytes were taken for a file: {answer:?}")),
    }
}

/// What is attached to an erased record is nowhere any more.
async fn files_go_with_their_record(field: &Field) -> Result<(), String> {
    let device = field.enrol("photographer").await;
    let (id, hash, _) = attached(&device, 2);
    device.sync().await.unwrap();
    field.relay.settle().await.unwrap();
    device.sync_files(&FileBudget { send: 1 << 20, fetch: 1 << 20, all: true }).await.unwrap();
    let kept = field.folder.path().join("relay/attachments/community").join(scope().code());
    let at_relay = || std::fs::read_dir(&kept).map_or(0, Iterator::count);
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
    files_go_with_their_record(&field).await
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
