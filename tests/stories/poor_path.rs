//! Paths that are slow or break: everything gets through in the end, and nothing is used up by trying.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use lastmile_client::{ClientError, Replica, ReplicaOptions};
use lastmile_relay::InviteOrder;
use rand::{Rng as _, SeedableRng as _};

use crate::field::{Field, add_activity, digest, scope, set, settle};

/// Carries bytes one way until `limit` of them have passed, then cuts both ways.
fn carry(mut from: TcpStream, mut to: TcpStream, limit: usize, wait: Duration) {
    std::thread::spawn(move || {
        let mut piece = vec![0; 8_192];
        let mut left = limit;
        while left > 0 {
            let most = piece.len().min(left);
            match from.read(&mut piece[..most]) {
                Ok(read) if read > 0 => {
                    std::thread::sleep(wait);
                    if to.write_all(&piece[..read]).is_err() {
                        break;
                    }
                    left -= read;
                }
                _ => break,
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A path to the relay over which each connection carries so many bytes up and down, the latter so late.
fn path(relay: SocketAddr, up: usize, down: usize, late: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, TcpStream::connect(relay)) else { return };
            carry(near.try_clone().unwrap(), far.try_clone().unwrap(), up, Duration::ZERO);
            if down == 0 {
                // The request arrives, the answer is lost.
                let (mut near, mut far) = (near, far);
                std::thread::spawn(move || {
                    let _ = far.read(&mut [0; 1]);
                    let _ = near.shutdown(Shutdown::Both);
                    let _ = near.flush();
                });
            } else {
                carry(far, near, down, late);
            }
        }
    });
    address
}

/// A path whose answers come late.
pub fn late_answers(relay: SocketAddr, late: Duration) -> SocketAddr {
    path(relay, usize::MAX, usize::MAX, late)
}

fn through(replica: &mut Replica, path: SocketAddr) {
    replica.set_relay(&format!("http://{path}")).unwrap();
}

/// Text that hardly compresses.
fn noise(seed: u64, letters: usize) -> String {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..letters).map(|_| char::from_u32(rng.random_range(0x4e00..0x9f00)).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_too_slow_for_a_whole_upload_carries_it_in_smaller_ones() {
    let field = Field::new().await;
    let mut one = field.enrol("one").await;
    settle(&one).await;
    for number in 0..160 {
        let id = add_activity(&one, &format!("活动{number}"), 1);
        set(&one, id, "note", noise(number, 1_500));
    }
    // No request longer than this gets through in its time.
    let narrow = path(field.relay().addr(), 150_000, usize::MAX, Duration::ZERO);
    through(&mut one, narrow);
    let mut tries = 0;
    let mut sent = 0;
    while one.status().unwrap().unsent_commits > 0 {
        tries += 1;
        assert!(tries <= 25, "{:?} after {sent} bytes", one.status().unwrap());
        match one.sync().await {
            Ok(report) => sent += report.sent_bytes,
            Err(ClientError::Unreachable { .. }) => {
                // Closing and opening forgets nothing of what the path was found to carry.
                one.close().unwrap();
                one = field.open("one");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(tries > 1, "the path did break");
    assert_eq!(digest(&one), field.digest().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_whose_answer_is_lost_does_not_use_up_the_invite() {
    let field = Field::new().await;
    let invite = field.relay().invite(InviteOrder::new(vec![scope()], field.relay().url())).await.unwrap();
    let deaf = path(field.relay().addr(), usize::MAX, 0, Duration::ZERO);
    let mut over_deaf = invite.clone();
    over_deaf.relay = format!("http://{deaf}");
    let folder = field.path("one");
    for _ in 0..2 {
        let lost = Replica::enrol(&folder, &over_deaf, "one", ReplicaOptions::default()).await.unwrap_err();
        assert!(matches!(lost, ClientError::Unreachable { .. }), "{lost}");
        assert!(matches!(Replica::open(&folder, ReplicaOptions::default()), Err(ClientError::NoReplica { .. })));
        #[cfg(unix)]
        for file in std::fs::read_dir(&folder).unwrap() {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0, "nobody else reads the key");
        }
    }
    let one = Replica::enrol(&folder, &invite, "one", ReplicaOptions::default()).await.unwrap();
    add_activity(&one, "清洁日", 1);
    settle(&one).await;
    assert_eq!(one.status().unwrap().unsent_commits, 0);
    let author = one.author();
    one.close().unwrap();
    let again = field.open("one");
    assert_eq!(again.author(), author);
    let keys = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".key"));
    assert_eq!(keys.count(), 1, "the key of the try is the device's key now, and stands nowhere else");
    // The key that was used is another's for whoever has the invite now.
    let refused = Replica::enrol(&field.path("two"), &invite, "two", ReplicaOptions::default()).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
    assert!(!field.path("two").exists(), "an invite that is refused leaves nothing behind");
}
