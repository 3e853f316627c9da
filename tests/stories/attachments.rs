//! Photos and files: they follow the records that name them, small pictures first, and never keep records waiting.

use std::path::Path;
use std::time::Duration;

use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};
use lastmile_client::auto::Pace;
use lastmile_client::{AutoSync, ClientError, FileBudget, FileReport, FileStanding, Replica};
use lastmile_media::Refused;
use lastmile_model::{RecordId, Scope};
use lastmile_relay::OfficeCommand;
use lastmile_store::Naming;

use crate::field::{COMMUNITY, Field, add_activity, settle};

/// What stands in the metadata of the photos taken here, and must be nowhere else.
const PLACE: &[u8] = b"GPS 28.1931N 112.9723E";

/// A photo as a phone takes it: not to be compressed to nothing, and with the place in it.
#[expect(clippy::cast_possible_truncation, reason = "the length of a short segment")]
fn photo(seed: u32, width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let mixed = (x ^ seed).wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)).to_le_bytes();
        Rgb([mixed[1], mixed[2] / 2, (x % 256) as u8])
    });
    let mut plain = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut plain, 80);
    encoder.write_image(&picture, width, height, ExtendedColorType::Rgb8).unwrap();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    exif.extend(PLACE);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    drop(plain.splice(2..2, [&[0xff, 0xe1], length.as_slice(), &exif].concat()));
    plain
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// Whether any file below a folder holds these bytes.
fn anywhere(folder: &Path, mark: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() { anywhere(&path, mark) } else { holds(&std::fs::read(&path).unwrap_or_default(), mark) }
    })
}

/// Makes rounds until nothing is left to do.
async fn files(replica: &Replica, budget: FileBudget) -> FileReport {
    let mut all = FileReport::default();
    for _ in 0..200 {
        let report = replica.sync_files(&budget).await.unwrap();
        all.sent_files += report.sent_files;
        all.fetched_files += report.fetched_files;
        all.sent_bytes += report.sent_bytes;
        all.refused.extend(report.refused);
        if !report.more {
            return all;
        }
    }
    panic!("the lane did not come to rest");
}

const ALL: FileBudget = FileBudget { send: 512 << 10, fetch: 512 << 10, all: true };

fn standing(replica: &Replica, hash: &[u8; 32]) -> FileStanding {
    let all = replica.attachments(None).unwrap();
    all.into_iter().find(|one| one.named.hash == *hash).map_or(FileStanding::Away, |one| one.standing)
}

fn kept(field: &Field) -> usize {
    let folder = field.path("relay").join("attachments/community").join(COMMUNITY);
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_reaches_a_colleague_small_picture_first_and_without_its_place() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    let taken = photo(1, 1_200, 900);
    assert!(holds(&taken, PLACE));
    let attached = one.attach(None, ("activity", id), "../../清洁日 现场.jpg", &taken).unwrap();
    assert_eq!(standing(&one, &attached.hash), FileStanding::Waiting);
    assert_eq!(one.sync_files(&ALL).await.unwrap().sent_files, 0, "the record goes first");
    settle(&one).await;
    assert_eq!(files(&one, ALL).await.sent_files, 2);
    assert_eq!(standing(&one, &attached.hash), FileStanding::Uploaded);
    assert_eq!(kept(&field), 2);
    settle(&two).await;
    let names = two.attachments(Some(id)).unwrap();
    assert_eq!(names.iter().map(|one| one.named.naming).collect::<Vec<_>>(), [Naming::Thumbnail, Naming::Full]);
    assert_eq!(names[1].named.name.as_deref(), Some("../../清洁日 现场.jpg"), "a name is a value");
    // A budget for the small picture alone.
    let small = attached.thumbnail.unwrap();
    two.sync_files(&FileBudget { send: 0, fetch: names[0].named.size, all: true }).await.unwrap();
    assert!(two.file(&small).unwrap().is_some() && two.file(&attached.hash).unwrap().is_none());
    files(&two, ALL).await;
    let came = two.file(&attached.hash).unwrap().unwrap();
    assert_eq!(Some(&came), one.file(&attached.hash).unwrap().as_ref());
    assert!(image::load_from_memory(&came).is_ok());
    for folder in ["relay", "one", "two"] {
        assert!(!anywhere(&field.path(folder), PLACE), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asked_for_stays_away_until_it_is_wanted() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(2, 600, 400)).unwrap();
    let document = one.attach(None, ("activity", id), "协议.pdf", b"%PDF-1.4\n%%EOF\n").unwrap();
    assert_eq!(document.thumbnail, None);
    settle(&one).await;
    assert_eq!(files(&one, FileBudget::default()).await.sent_files, 3);
    settle(&two).await;
    files(&two, FileBudget::default()).await;
    assert_eq!(standing(&two, &attached.thumbnail.unwrap()), FileStanding::Uploaded);
    assert_eq!(standing(&two, &attached.hash), FileStanding::Away);
    assert!(!two.want_file(&[9; 32]).unwrap(), "no record names it");
    assert!(two.want_file(&document.hash).unwrap());
    files(&two, FileBudget::default()).await;
    assert_eq!(two.file(&document.hash).unwrap().as_deref(), Some(b"%PDF-1.4\n%%EOF\n".as_slice()));
    assert_eq!(standing(&two, &attached.hash), FileStanding::Away);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_budgets_and_closed_devices_and_relays_only_take_longer() {
    let mut field = Field::new().await;
    let (mut one, mut two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(3, 1_000, 800)).unwrap();
    assert!(attached.size > 200_000, "{}", attached.size);
    settle(&one).await;
    let budget = FileBudget { send: 70_000, fetch: 70_000, all: true };
    let mut rounds = 0;
    while standing(&one, &attached.hash) != FileStanding::Uploaded {
        one.sync_files(&budget).await.unwrap();
        one.close().unwrap();
        one = field.open("one");
        field.off().await;
        field.on().await;
        rounds += 1;
    }
    settle(&two).await;
    while two.file(&attached.hash).unwrap().is_none() {
        two.sync_files(&budget).await.unwrap();
        drop(two);
        two = field.open("two");
        rounds += 1;
        assert!(rounds < 60);
    }
    let least = attached.size / 70_000;
    assert!(rounds >= 2 * least, "{rounds} rounds of at least {least} up and down: nothing was begun anew or at once");
    assert_eq!(two.file(&attached.hash).unwrap(), one.file(&attached.hash).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_community_sees_nothing_of_it() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let other = field.enrol_in("other", Scope::community("430104008008").unwrap()).await;
    let id = add_activity(&one, "清洁日", 20);
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(4, 300, 200)).unwrap();
    settle(&one).await;
    files(&one, ALL).await;
    settle(&other).await;
    assert_eq!(other.attachments(None).unwrap(), []);
    assert!(!other.want_file(&attached.hash).unwrap());
    assert_eq!(files(&other, ALL).await, FileReport::default());
    // The same photo there is a file of its own, and is brought like any other.
    let there = add_activity(&other, "别处", 5);
    assert!(matches!(other.attach(None, ("activity", id), "x", &photo(4, 300, 200)), Err(ClientError::Store(_))));
    let same = other.attach(None, ("activity", there), "现场.jpg", &photo(4, 300, 200)).unwrap();
    assert_eq!(same.hash, attached.hash);
    settle(&other).await;
    let report = files(&other, ALL).await;
    assert_eq!(report.sent_files, 2);
    assert!(report.sent_bytes >= same.size, "what another scope holds is not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_keeps_no_photo() {
    let field = Field::new().await;
    let (lost, other) = (field.enrol("lost").await, field.enrol("other").await);
    let id = add_activity(&other, "清洁日", 20);
    let attached = other.attach(None, ("activity", id), "现场.jpg", &photo(5, 300, 200)).unwrap();
    settle(&other).await;
    files(&other, ALL).await;
    settle(&lost).await;
    files(&lost, ALL).await;
    let bytes = lost.file(&attached.hash).unwrap().unwrap();
    let mark = &bytes[bytes.len() / 2..bytes.len() / 2 + 64];
    assert!(anywhere(&lost.path(), mark));
    let later = other.attach(None, ("activity", id), "之后.jpg", &photo(6, 300, 200)).unwrap();
    settle(&other).await;
    files(&other, ALL).await;
    let revoke = OfficeCommand::Revoke { author: lost.author().to_string(), reason: "手机丢失".to_owned() };
    field.relay().office().run(revoke).await.unwrap();
    for _ in 0..3 {
        let _ = lost.sync().await;
        let _ = lost.sync_files(&ALL).await;
    }
    assert!(lost.file(&attached.hash).unwrap().is_none() && lost.file(&later.hash).unwrap().is_none());
    assert!(!anywhere(&lost.path(), mark), "gone with the scope");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_photo_is_nowhere() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(7, 300, 200)).unwrap();
    let staying = one.attach(None, ("activity", id), "另一张.jpg", &photo(8, 300, 200)).unwrap();
    settle(&one).await;
    files(&one, ALL).await;
    settle(&two).await;
    files(&two, ALL).await;
    let bytes = one.file(&attached.hash).unwrap().unwrap();
    let mark = &bytes[bytes.len() / 2..bytes.len() / 2 + 64];
    for folder in ["relay", "one", "two"] {
        assert!(anywhere(&field.path(folder), mark), "{folder}");
    }
    let erase = OfficeCommand::Erase {
        record_type: Some("attachment".to_owned()),
        id: attached.record.0,
        reason: "本人要求".to_owned(),
    };
    field.relay().office().run(erase).await.unwrap();
    settle(&one).await;
    settle(&two).await;
    for folder in ["relay", "one", "two"] {
        assert!(!anywhere(&field.path(folder), mark), "{folder}");
    }
    assert_eq!(kept(&field), 2, "the other photo and its small picture");
    assert!(one.file(&staying.hash).unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_put_back_from_before_gets_files_again() {
    let mut field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    settle(&one).await;
    field.off().await;
    field.copy("relay", "before");
    field.on().await;
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(9, 300, 200)).unwrap();
    settle(&one).await;
    files(&one, ALL).await;
    settle(&two).await;
    files(&two, ALL).await;
    field.off().await;
    field.copy("before", "relay");
    field.new_epoch();
    field.on().await;
    // Whoever has it brings it, not only who attached it.
    drop(one);
    settle(&two).await;
    assert_eq!(standing(&two, &attached.hash), FileStanding::Waiting);
    files(&two, ALL).await;
    assert_eq!((standing(&two, &attached.hash), kept(&field)), (FileStanding::Uploaded, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_attached_is_named_and_nothing_is_saved() {
    let field = Field::new().await;
    let one = field.enrol("one").await;
    let id = add_activity(&one, "清洁日", 20);
    let attach = |bytes: &[u8]| one.attach(None, ("activity", id), "照片.jpg", bytes).unwrap_err();
    let mut bomb = photo(1, 64, 64);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(matches!(attach(&bomb), ClientError::FileNotTaken(Refused::TooLarge { .. })));
    assert!(matches!(attach(b"MZ\x90\0"), ClientError::FileNotTaken(Refused::Kind)));
    assert!(matches!(attach(&photo(1, 64, 64)[..200]), ClientError::FileNotTaken(Refused::Damaged)));
    let nobody = RecordId::from_bytes([7; 16]);
    assert!(matches!(one.attach(None, ("activity", nobody), "x", &photo(1, 64, 64)), Err(ClientError::Store(_))));
    assert_eq!(one.attachments(None).unwrap(), []);
    assert_eq!(one.read(|reader| reader.files(None)).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_automatic_sync_carries_files_too() {
    let field = Field::new().await;
    let (one, two) = (field.enrol("one").await, field.enrol("two").await);
    let id = add_activity(&one, "清洁日", 20);
    let attached = one.attach(None, ("activity", id), "现场.jpg", &photo(10, 600, 400)).unwrap();
    let pace = Pace {
        poll: Duration::from_millis(100),
        first_retry: Duration::from_millis(50),
        longest_retry: Duration::from_millis(200),
    };
    let (one, two) = (std::sync::Arc::new(one), std::sync::Arc::new(two));
    let _running = [&one, &two].map(|replica| AutoSync::start(std::sync::Arc::clone(replica), pace.clone()));
    let arrived = async {
        while two.file(&attached.thumbnail.unwrap()).unwrap().is_none()
            || standing(&one, &attached.hash) != FileStanding::Uploaded
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived).await.unwrap();
}

#[tokio::test]
async fn a_device_that_is_sent_elsewhere_takes_no_photo_along_and_loses_none() {
    let field = Field::new().await;
    let (one, other) = (field.enrol("one").await, field.enrol("other").await);
    let id = add_activity(&one, "清洁日", 20);
    settle(&one).await;
    let attached = one.attach(None, ("activity", id), "合影", &photo(7, 400, 300)).unwrap();
    let reassign = OfficeCommand::Reassign {
        author: one.author().to_string(),
        persons: None,
        roles: None,
        scopes: Some(vec!["community:430104008008".to_owned()]),
        until_ms: None,
    };
    field.relay().office().run(reassign).await.unwrap();
    // The records go and it hears that it was sent elsewhere: the photo is nowhere else yet.
    let _ = one.sync().await;
    assert!(one.file(&attached.hash).unwrap().is_some());
    files(&one, ALL).await;
    for _ in 0..2 {
        let _ = one.sync().await;
    }
    assert!(one.file(&attached.hash).unwrap().is_none() && one.record("activity", id).is_err());
    settle(&other).await;
    files(&other, ALL).await;
    assert!(other.file(&attached.hash).unwrap().is_some());
}

#[tokio::test]
async fn what_is_out_of_sight_is_erased_with_what_it_is_attached_to() {
    let field = Field::new().await;
    let (one, other) = (field.enrol("one").await, field.enrol("other").await);
    let id = add_activity(&other, "清洁日", 20);
    settle(&other).await;
    settle(&one).await;
    let attached = one.attach(None, ("activity", id), "合影", &photo(8, 400, 300)).unwrap();
    settle(&one).await;
    files(&one, ALL).await;
    assert_eq!(kept(&field), 2);
    let quarantine = OfficeCommand::Quarantine {
        scope: crate::field::scope().to_string(),
        author: one.author().to_string(),
        from: 1,
        to: None,
        reason: "存疑".to_owned(),
    };
    field.relay().office().run(quarantine).await.unwrap();
    settle(&other).await;
    assert!(other.attachments(None).unwrap().is_empty());
    let erase =
        OfficeCommand::Erase { record_type: Some("activity".to_owned()), id: id.0, reason: "申请".to_owned() };
    field.relay().office().run(erase).await.unwrap();
    assert_eq!(kept(&field), 0);
    settle(&one).await;
    assert!(one.file(&attached.hash).unwrap().is_none());
}

#[tokio::test]
async fn a_photo_of_what_is_held_back_is_there_when_the_office_lets_it_go() {
    let field = Field::new().await;
    let (one, other) = (field.enrol("one").await, field.enrol("other").await);
    let id = add_activity(&one, "清洁日", 20);
    settle(&one).await;
    let attached = one.attach(None, ("activity", id), "合影", &photo(9, 400, 300)).unwrap();
    // The record goes; its photo waits, as it does on a poor path.
    settle(&one).await;
    let (scope, author) = (crate::field::scope().to_string(), one.author().to_string());
    let quarantine = OfficeCommand::Quarantine {
        scope: scope.clone(),
        author: author.clone(),
        from: 1,
        to: None,
        reason: "存疑".to_owned(),
    };
    field.relay().office().run(quarantine).await.unwrap();
    let reassign = OfficeCommand::Reassign {
        author: author.clone(),
        persons: None,
        roles: None,
        scopes: Some(vec!["community:430104008008".to_owned()]),
        until_ms: None,
    };
    field.relay().office().run(reassign).await.unwrap();
    let _ = one.sync().await;
    assert!(one.file(&attached.hash).unwrap().is_some(), "it is nowhere else yet");
    files(&one, ALL).await;
    for _ in 0..2 {
        let _ = one.sync().await;
    }
    assert_eq!((kept(&field), one.file(&attached.hash).unwrap()), (2, None));
    settle(&other).await;
    files(&other, ALL).await;
    assert!(other.attachments(None).unwrap().is_empty() && other.file(&attached.hash).unwrap().is_none());
    let release = OfficeCommand::Release { scope, author, from: 1, to: None, reason: "查实".to_owned() };
    field.relay().office().run(release).await.unwrap();
    settle(&other).await;
    files(&other, ALL).await;
    assert!(other.file(&attached.hash).unwrap().is_some());
}
